"""What the payload of an event of each kind holds: the agreement between sources, who write it, and detectors, who
read it. Every field may be missing, and more may be there: sources tell what they know.
"""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from businesses.models import EventKind
from oppspot.core.errors import InvalidInput

MAX_TEXT = 8_000  # characters of a text that is kept of a page, an advertisement or an article
MAX_LINE = 500


class InvalidPayload(InvalidInput):
    """The payload does not fit the kind of event."""

    code = "invalid_payload"


class Payload(BaseModel):
    model_config = ConfigDict(extra="allow", str_strip_whitespace=True)


class Changed(Payload):
    """A fact of the register, before and after; of an address only the fields that differ."""

    before: Any = None
    after: Any = None
    before_raw: str = ""  # a status in the register's own words
    after_raw: str = ""
    snapshot_on: date | None = None


class Overdue(Payload):
    """Accounts that were not there on the day they were due."""

    due_on: date | None = None
    last_made_up_on: date | None = None
    snapshot_on: date | None = None


class Charge(Payload):
    """A charge; from snapshots only the counts are known: `before` and `after` {total, outstanding, satisfied, …}."""

    charge_code: str = ""
    charge_number: int | None = None
    status: str = ""
    classification: str = ""
    persons_entitled: list[str] = Field(default_factory=list)
    particulars: str = ""
    created_on: date | None = None
    satisfied_on: date | None = None
    before: dict[str, int | None] = Field(default_factory=dict)
    after: dict[str, int | None] = Field(default_factory=dict)


class OfficerChange(Payload):
    name: str = ""
    role: str = ""
    occupation: str = ""
    officer_id: str = ""
    appointment_id: str = ""
    is_corporate: bool = False
    appointed_on: date | None = None
    resigned_on: date | None = None


class Control(Payload):
    """A person with significant control; `psc_kind` is the register's."""

    name: str = ""
    psc_kind: str = ""
    natures_of_control: list[str] = Field(default_factory=list)
    notified_on: date | None = None
    ceased_on: date | None = None
    is_corporate: bool = False


class Filing(Payload):
    """A filing as the register's API describes it; `associated` are the types of those that came with it."""

    transaction_id: str = ""
    type: str = ""
    category: str = ""
    subcategory: list[str] = Field(default_factory=list)
    description: str = ""
    description_values: dict[str, Any] = Field(default_factory=dict)
    action_date: date | None = None
    associated: list[str] = Field(default_factory=list)


class Insolvency(Payload):
    case_number: str = ""
    case_type: str = ""
    dates: dict[str, date] = Field(default_factory=dict)


class JobPosted(Payload):
    title: str = Field(default="", max_length=MAX_LINE)
    description: str = Field(default="", max_length=MAX_TEXT)
    department: str = ""
    locations: list[str] = Field(default_factory=list)
    is_remote: bool = False
    employment_type: str = ""
    posted_on: date | None = None
    valid_through: date | None = None


class News(Payload):
    title: str = Field(default="", max_length=MAX_LINE)
    summary: str = Field(default="", max_length=MAX_TEXT)
    publisher: str = ""
    published_at: datetime | None = None


class WebChanged(Payload):
    """How a website differs from the last visit. `text_added` are sentences that were not there before."""

    page: str = ""
    before: dict[str, Any] = Field(default_factory=dict)  # title, description, …: those that differ
    after: dict[str, Any] = Field(default_factory=dict)
    text_added: list[str] = Field(default_factory=list)
    text_removed: list[str] = Field(default_factory=list)
    technologies_added: list[str] = Field(default_factory=list)
    technologies_removed: list[str] = Field(default_factory=list)
    cities_added: list[str] = Field(default_factory=list)
    pages_added: list[str] = Field(default_factory=list)


SCHEMAS: dict[str, type[Payload]] = {
    EventKind.INCORPORATED: Changed,
    EventKind.NAME_CHANGED: Changed,
    EventKind.ADDRESS_CHANGED: Changed,
    EventKind.STATUS_CHANGED: Changed,
    EventKind.SIC_CHANGED: Changed,
    EventKind.ACCOUNTS_CATEGORY_CHANGED: Changed,
    EventKind.ACCOUNTS_OVERDUE: Overdue,
    EventKind.BRANCH_REGISTERED: Changed,
    EventKind.CHARGE_REGISTERED: Charge,
    EventKind.CHARGE_SATISFIED: Charge,
    EventKind.OFFICER_APPOINTED: OfficerChange,
    EventKind.OFFICER_RESIGNED: OfficerChange,
    EventKind.CONTROL_NOTIFIED: Control,
    EventKind.CONTROL_CEASED: Control,
    EventKind.FILING: Filing,
    EventKind.INSOLVENCY: Insolvency,
    EventKind.JOB_POSTED: JobPosted,
    EventKind.NEWS: News,
    EventKind.WEB_CHANGED: WebChanged,
}


def payload_of(kind: str, payload: Any) -> Payload:
    """The payload as its kind has it; of an unknown kind, as it is. Raises `InvalidPayload`, naming the field."""
    try:
        return SCHEMAS.get(kind, Payload).model_validate(payload)
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for problem in error.errors(include_url=False):
            fields.setdefault(".".join(("payload", *map(str, problem["loc"]))), []).append(problem["msg"])
        name, messages = next(iter(fields.items()))
        raise InvalidPayload(f"{name}: {messages[0]}", fields=fields) from error

"""The list of those whom an organisation does not contact.

E-mail addresses and domains are stored as HMAC-SHA-256 under SECRET_KEY and the organisation, in one spelling: who
reads the table, or another organisation, learns no address and cannot try likely ones, and the list outlives the
erasure of the person it protects. Company numbers are public and stay in clear. Hashes made under an earlier key are
found as long as that key is in SECRET_KEY_FALLBACKS. Each row names its key, so that a list which can no longer be
read is not taken for an empty one: while a key is missing, whoever is not found on the list is not contacted either.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac

from agents.models import Suppression, SuppressionKind, SuppressionReason
from businesses.models import Business
from businesses.normalise import domain_of, normalise_company_number
from oppspot.core.errors import InvalidInput, NotConfigured, OppspotError
from oppspot.organizations.models import Organization

MAX_BULK = 1_000
MAX_EMAIL = 320  # characters
RESTORE = (
    "Put the earlier SECRET_KEY into SECRET_KEY_FALLBACKS. If it is lost, delete these entries by "
    "manage.py remove_unreadable_suppressions, and give the list anew."
)

logger = structlog.get_logger(__name__)


class DoNotContact(OppspotError):
    """The company or the address is on the list of those not to be contacted."""

    code = "do_not_contact"
    status = 409


class ListUnreadable(NotConfigured):
    """The do-not-contact list has entries made under a SECRET_KEY that is not known: nobody can tell who is on it."""

    code = "do_not_contact_list_unreadable"


@dataclass(frozen=True)
class Wish:
    """One of those not to be contacted, as people write it. Never stored, never logged."""

    kind: str
    value: str
    reason: str = SuppressionReason.OPTED_OUT


def add_suppression(*, org: Organization, wish: Wish, by: str) -> tuple[Suppression, bool]:
    """Put one on the list; it, and whether it is new. Raises `InvalidInput`."""
    stored = add_suppressions(org=org, wishes=[wish], by=by)
    found: Suppression = Suppression.objects.for_org(org).filter(
        kind=wish.kind, value__in=_stored_forms(org, wish.kind, _normal(wish))
    ).get()  # fmt: skip
    return found, stored > 0


def add_suppressions(*, org: Organization, wishes: Sequence[Wish], by: str) -> int:
    """Put all of them on the list or none; how many are new. Raises `InvalidInput`, naming `items.<place>`, not the
    value."""
    if len(wishes) > MAX_BULK:
        message = f"At most {MAX_BULK} at once."
        raise InvalidInput(message, fields={"items": [message]})
    wrong: dict[str, list[str]] = {}
    forms: dict[tuple[str, str], Wish] = {}
    for place, wish in enumerate(wishes):
        try:
            forms[wish.kind, _normal(wish)] = wish
        except InvalidInput as error:
            wrong[f"items.{place}.value" if len(wishes) > 1 else "value"] = [error.message]
    if wrong:
        raise InvalidInput("Something is no such value.", fields=wrong)
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=org.pk)  # two forms of one value, after a new key
        known = _known(org, list(forms))
        new = [
            _row(org, kind, value, wish.reason, by)
            for (kind, value), wish in forms.items()
            if not known & {(kind, form) for form in _stored_forms(org, kind, value)}
        ]
        Suppression.objects.for_org(org).bulk_create(new, batch_size=500)
    logger.info("suppressions_added", org=str(org.pk), by=by, new=len(new), given=len(wishes))
    return len(new)


def remove_suppression(*, suppression: Suppression, by: str) -> None:
    logger.info("suppression_removed", suppression=str(suppression.pk), kind=suppression.kind, by=by)
    suppression.delete()


def remove_unreadable(*, org: Organization, by: str) -> int:
    """Delete the entries whose key is lost for good; how many. Whom they named is then protected no more."""
    count, _ = unreadable(Suppression.objects.for_org(org)).delete()
    logger.warning("unreadable_suppressions_removed", org=str(org.pk), by=by, count=count)
    return count


def unreadable(rows: QuerySet[Suppression]) -> QuerySet[Suppression]:
    """Those of `rows` that no address can be compared with, as their key is in no setting."""
    return rows.exclude(key_ids__contained_by=known_key_ids())


def known_key_ids() -> list[str]:
    """Of the present key, then of earlier ones. An id tells nothing of its key."""
    return [_key_id(key) for key in _keys()]


def suppressed(*, org: Organization, business: Business, emails: Iterable[str] = ()) -> str:
    """Why the company, at these addresses if any, is not to be contacted; empty when nothing says so.

    Raises `InvalidInput` for what is no e-mail address, and `ListUnreadable` where a lost key keeps it from being told.
    """
    wanted: dict[tuple[str, str], str] = {}
    if business.company_number:
        wanted[SuppressionKind.COMPANY, business.company_number] = "The company"
    domains = dict.fromkeys(_parents(business.domain), "The company's domain")
    for email in emails:
        address = normalise_email(email)
        wanted[SuppressionKind.EMAIL, address] = "The e-mail address"
        domains |= dict.fromkeys(_parents(address.rpartition("@")[2]), "The domain of the e-mail address")
    wanted |= {(SuppressionKind.DOMAIN, domain): what for domain, what in domains.items()}
    for row in _rows(org, list(wanted)):
        for (kind, value), what in wanted.items():
            if row.kind == kind and row.value in _stored_forms(org, kind, value):
                return f"{what} is on the do-not-contact list ({row.get_reason_display().lower()})."
    if unreadable(Suppression.objects.for_org(org)).exists():
        raise ListUnreadable(hint=RESTORE)
    return ""


def check_contact(*, org: Organization, business: Business, emails: Iterable[str] = ()) -> None:
    """Raise `DoNotContact` for a company or an address on the list, and `ListUnreadable`, as `suppressed`."""
    if reason := suppressed(org=org, business=business, emails=emails):
        raise DoNotContact(reason)


def normalise_email(email: str) -> str:
    """`" Sam+News@Example.COM "` → `"sam@example.com"`: whoever opted out did so under each tag of the address.

    Raises `InvalidInput`, which does not repeat it.
    """
    text = unicodedata.normalize("NFKC", email).strip().casefold()
    local, at, host = text.rpartition("@")
    local, domain = local.partition("+")[0] or local, domain_of(host) if at and "/" not in host else ""
    if not local or not domain or len(text) > MAX_EMAIL or any(char.isspace() or char in "@<>," for char in local):
        raise InvalidInput("This is no e-mail address.")
    host = host if host.isascii() else host.encode("idna").decode("ascii")
    return f"{local}@{host.rstrip('.')}"


def _normal(wish: Wish) -> str:
    if wish.kind == SuppressionKind.EMAIL:
        return normalise_email(wish.value)
    if wish.kind == SuppressionKind.DOMAIN:
        domain = domain_of(unicodedata.normalize("NFKC", wish.value)) if "@" not in wish.value else ""
        if not domain:
            raise InvalidInput("This is no domain.")
        return domain
    try:
        return normalise_company_number(wish.value)
    except ValueError:
        raise InvalidInput("This is no company number (8 letters or digits).") from None


def _stored_forms(org: Organization, kind: str, value: str) -> list[str]:
    """How a value is stored: under the present key, then under earlier ones."""
    if kind == SuppressionKind.COMPANY:
        return [value]
    salt = f"agents.suppression:{org.pk}:{kind}"
    return [salted_hmac(salt, value, secret=key, algorithm="sha256").hexdigest() for key in _keys()]


def _row(org: Organization, kind: str, value: str, reason: str, by: str) -> Suppression:
    key_ids = [] if kind == SuppressionKind.COMPANY else known_key_ids()[:1]
    stored = _stored_forms(org, kind, value)[0]
    return Suppression(org=org, kind=kind, value=stored, key_ids=key_ids, reason=reason, created_by=by)


def _keys() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _key_id(key: str) -> str:
    return salted_hmac("agents.suppression.key", "id", secret=key, algorithm="sha256").hexdigest()[:16]


def _rows(org: Organization, wanted: Sequence[tuple[str, str]]) -> list[Suppression]:
    match = Q(pk=None)
    for kind in SuppressionKind.values:
        forms = [form for each, value in wanted if each == kind for form in _stored_forms(org, each, value)]
        if forms:
            match |= Q(kind=kind, value__in=forms)
    return list(Suppression.objects.for_org(org).filter(match).order_by("pk"))


def _known(org: Organization, wanted: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(row.kind, row.value) for row in _rows(org, wanted)}


def _parents(domain: str) -> list[str]:
    """The domain and those above it, down to two labels: who lists a domain means its subdomains, too."""
    labels = domain.split(".") if domain else []
    return [".".join(labels[place:]) for place in range(len(labels) - 1)]

"""Companies and people that are not written to, whatever there is to say: those that are closing, or are gone."""

from businesses.models import Appointment, Business
from businesses.models.register import Status
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, SignalStatus

# Rules of negative signals that stand for an end; others, such as late accounts, are only never mentioned.
ENDING = ("insolvency", "solvent_winding_up", "strike_off", "dissolved")
CLOSING = {
    Status.STRIKE_OFF_PROPOSED: "is about to be struck off the register",
    Status.INSOLVENT: "is in an insolvency procedure",
    Status.DISSOLVED: "is dissolved or closed",
}


def refusal(org: Organization, business: Business) -> str:
    """Why nothing is written to the company; empty when nothing is against it."""
    if status := CLOSING.get(Status(business.status)):
        return f"The company {status}."
    if business.dissolved_on is not None:
        return f"The company was dissolved on {business.dissolved_on}."
    signals = BuyingSignal.objects.for_org(org).filter(
        business=business, status=SignalStatus.ACTIVE, is_negative=True, rule__in=ENDING
    )
    if signal := signals.order_by("-occurred_on").first():
        return f"There is a sign of its end: {signal.rule.replace('_', ' ')}, {signal.occurred_on}."
    return ""


def recipient_refusal(business: Business, recipient_key: str) -> str:
    """Why nothing is written to the recipient of a draft; empty for who holds an office, and for who was named by a
    person, as the register says nothing of those."""
    kind, _, officer = recipient_key.partition(":")
    if kind != "officer":
        return ""
    offices = Appointment.objects.filter(business=business, officer_id=int(officer))
    if offices.filter(resigned_on=None).exists():
        return ""
    if last := offices.order_by("-resigned_on").values_list("resigned_on", flat=True).first():
        return f"The recipient resigned on {last}."
    return "The recipient holds no office at the company any more."

"""What people think of results: labels for later evaluation."""

from uuid import UUID

import structlog

from agents.models import Draft, Feedback, IntroPath, Judged, Opportunity, ResearchReport, Scorecard
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from oppspot.organizations.scoping import OrgOwned

SUBJECTS: dict[str, type[OrgOwned]] = {
    Judged.OPPORTUNITY: Opportunity,
    Judged.SCORECARD: Scorecard,
    Judged.INTRO_PATH: IntroPath,
    Judged.REPORT: ResearchReport,
    Judged.DRAFT: Draft,
}

logger = structlog.get_logger(__name__)


def give_feedback(
    *, org: Organization, subject_type: str, subject_id: UUID, verdict: str, note: str = "", given_by: str
) -> tuple[Feedback, bool]:
    """Keep a person's verdict on a result, in place of an earlier one; whether it is the first. Raises `InvalidInput`
    for what `org` does not have."""
    model = SUBJECTS.get(subject_type)
    if model is None:
        message = f"Choose one of {', '.join(SUBJECTS)}."
        raise InvalidInput(message, fields={"subject_type": [message]})
    if not model.objects.for_org(org).filter(pk=subject_id).exists():
        message = f"There is no {Judged(subject_type).label.lower()} {subject_id}."
        raise InvalidInput(message, fields={"subject_id": [message]})
    given: Feedback
    given, is_new = Feedback.objects.for_org(org).update_or_create(
        org=org,
        subject_type=subject_type,
        subject_id=subject_id,
        given_by=given_by,
        defaults={"verdict": verdict, "note": note},
    )
    logger.info("feedback_given", subject=f"{subject_type}:{subject_id}", verdict=verdict)
    return given, is_new

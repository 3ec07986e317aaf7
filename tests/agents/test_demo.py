"""The demo's hand-off: from invented events to a draft, an introduction and a person who is told, once however often
it is run."""

from email import message_from_bytes, policy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from agents.demo import BY, CHAIN, CHANNEL, DemoRun, mail_kept_in, run_demo
from agents.models import AgentExecution, Draft, IntroPath, Opportunity, ResearchReport
from businesses.models import Business
from oppspot.core.errors import InvalidInput
from oppspot.management.commands.demo import Command
from oppspot.organizations.models import Organization
from signals_app.alerts.models import Attempt, Channel, Delivery
from signals_app.models import BuyingSignal

pytestmark = pytest.mark.django_db
ADDRESS = "demo@oppspot.example"
MADE_ONCE = (BuyingSignal, Draft, IntroPath, Opportunity, ResearchReport, Delivery, Channel)


@pytest.fixture
def mailbox(settings: Any, tmp_path: Path) -> Path:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # as where no e-mail is configured
    settings.DATA_DIR = tmp_path
    return tmp_path / "demo_mail"


def mails(mailbox: Path) -> list[Any]:
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(mailbox.glob("*"))]


def printed(run: DemoRun) -> str:
    out = StringIO()
    Command(stdout=out)._print_agents(run)
    return out.getvalue()


def test_the_hand_off_ends_with_a_person_who_is_told(org_a: Organization, mailbox: Path, settings: Any) -> None:
    run = run_demo(org_a, address=ADDRESS, mailbox=mailbox)
    executions = run.chain.executions
    assert {execution.status for execution in (*executions, run.bot)} == {"completed"}
    assert {execution.agent.agent_type for execution in executions} == set(CHAIN)
    for model in MADE_ONCE:
        assert model.objects.for_org(org_a).exists(), model
    assert not Business.objects.exclude(description__startswith="Fictional").exists()
    (delivery,), (mail,) = run.told, mails(mailbox)
    assert (delivery.state, delivery.channel.name, delivery.channel.address) == ("delivered", CHANNEL, ADDRESS)
    assert Attempt.objects.for_org(org_a).get().result == "delivered"
    path = IntroPath.objects.for_org(org_a).get()
    assert path.summary in delivery.body
    assert (mail["To"], mail["Subject"]) == (ADDRESS, delivery.subject)
    assert mail.get_content().startswith(delivery.body)  # what follows parts it from further mail in the file
    assert settings.EMAIL_BACKEND == "django.core.mail.backends.dummy.EmailBackend"
    text = printed(run)
    for part in ("fictional; no e-mail left this machine", str(mailbox), f"{ADDRESS}, delivered", path.summary):
        assert part in text, part


def test_a_second_run_makes_and_tells_nothing_twice(org_a: Organization, mailbox: Path) -> None:
    run_demo(org_a, address=ADDRESS, mailbox=mailbox)
    counts = [model.objects.for_org(org_a).count() for model in MADE_ONCE]
    again = run_demo(org_a, address=ADDRESS, mailbox=mailbox)
    assert len(again.chain.nodes) == 1
    assert (again.told, len(mails(mailbox))) == ([], 1)
    assert counts == [model.objects.for_org(org_a).count() for model in MADE_ONCE]
    assert AgentExecution.objects.for_org(org_a).exclude(status="completed").count() == 0
    assert "Nobody was told anything" in printed(again)
    assert Channel.objects.for_org(org_a).get().created_by == BY


def test_mail_goes_where_it_did_before_also_after_a_failure(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "before", None
    seen: list[str] = []

    def fail() -> None:
        seen.append(settings.EMAIL_FILE_PATH)
        raise InvalidInput("No.")

    with pytest.raises(InvalidInput), mail_kept_in(tmp_path):
        fail()
    assert seen == [str(tmp_path)]
    assert (settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH) == ("before", None)

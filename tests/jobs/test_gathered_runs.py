"""Runs that take in events until they begin, when they are cancelled and retried."""

from uuid import uuid4

import pytest

from oppspot.jobs.services import cancel_run, emit, retry_run
from tests.jobs.steps import run_of

pytestmark = pytest.mark.django_db


def test_a_debounced_run_is_retried_beside_another_of_its_key() -> None:
    name, data = "company/embedding.generate", {"company_id": uuid4()}
    (first,) = emit(name, data).run_ids
    cancel_run(run_of(first))
    (second,) = emit(name, data).run_ids
    assert second != first
    retried = retry_run(run_of(first))
    assert (retried.status, retried.waiting_for, retried.gather_key) == ("queued", "", "")
    assert emit(name, data).run_ids == [second], "the retried one takes in no more"

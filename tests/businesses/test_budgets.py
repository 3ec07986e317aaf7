"""Budgets: never more than the service allows, whoever asks and how many at once."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import formatdate
from threading import Barrier

import pytest
from django.conf import settings as project
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from businesses import budgets
from businesses.budgets import learn, refuse, take
from businesses.models import RequestBudget
from businesses.sources.pull import BudgetSpent
from oppspot.core.http import RefusedAnswer, plain_client
from tests.businesses.sources.stub_register import KEY, StubRegister

NAME = "some service"


def budget() -> RequestBudget:
    return RequestBudget.objects.get(name=NAME)


def stored(*, capacity: int = 600, window_s: int = 300, remaining: int = 600, seconds: float = 200) -> None:
    resets_at = timezone.now() + timedelta(seconds=seconds)
    RequestBudget.objects.update_or_create(
        name=NAME,
        defaults={"capacity": capacity, "window_s": window_s, "remaining": remaining, "resets_at": resets_at},
    )


def told(remain: int | str, *, seconds: float = 100, **more: str) -> dict[str, str]:
    now = time.time()
    return {
        "X-Ratelimit-Limit": "600",
        "X-Ratelimit-Remain": str(remain),
        "X-Ratelimit-Reset": str(int(now + seconds)),
        "X-Ratelimit-Window": "5m",
        "Date": formatdate(now, usegmt=True),
    } | {name.replace("_", "-"): value for name, value in more.items()}


@pytest.mark.django_db
class TestAlone:
    def test_the_first_request_opens_a_window_of_600_in_300_seconds(self) -> None:
        assert [take(NAME), take(NAME)] == [599, 598]
        row = budget()
        assert (row.capacity, row.window_s, row.remaining) == (600, 300, 598)
        assert 295 < (row.resets_at - timezone.now()).total_seconds() <= 300

    def test_when_nothing_is_left_it_says_for_how_long(self) -> None:
        stored(remaining=1, seconds=42)
        assert take(NAME) == 0
        with pytest.raises(BudgetSpent, match=r"some service allows no more requests for 42 s\.") as caught:
            take(NAME)
        assert 41 < (caught.value.retry_after or 0) <= 42
        assert budget().remaining == 0

    def test_a_window_that_is_over_is_followed_by_another(self) -> None:
        stored(capacity=5, window_s=60, remaining=0, seconds=-1)
        assert take(NAME) == 4
        assert 55 < (budget().resets_at - timezone.now()).total_seconds() <= 60

    def test_services_have_budgets_of_their_own(self) -> None:
        stored(remaining=0)
        assert take("another") == 599

    def test_what_others_have_used_of_the_same_key_counts(self) -> None:
        stored()
        learn(NAME, told(17, seconds=100))
        row = budget()
        assert row.remaining == 17
        assert 98 < (row.resets_at - timezone.now()).total_seconds() <= 101

    def test_answers_in_another_order_give_nothing_back(self) -> None:
        stored(remaining=10)
        learn(NAME, told(12))
        learn(NAME, told(14, X_Ratelimit_Limit="1200"))
        row = budget()
        assert (row.remaining, row.capacity) == (10, 1200)

    def test_a_window_that_began_meanwhile_is_taken_as_the_service_counts_it(self) -> None:
        stored(remaining=0, seconds=-1)
        learn(NAME, told(598, seconds=299))
        assert budget().remaining == 598

    def test_an_answer_out_of_a_window_that_is_over_says_nothing(self) -> None:
        stored(remaining=500)
        learn(NAME, told(2, seconds=-3))
        assert budget().remaining == 500

    def test_the_service_may_spell_it_remaining_and_lower_its_limit(self) -> None:
        stored(remaining=500)
        learn(NAME, {"x-ratelimit-remaining": "450", "x-ratelimit-limit": "300", "x-ratelimit-window": "60"})
        row = budget()
        assert (row.remaining, row.capacity, row.window_s) == (300, 300, 60)

    @pytest.mark.parametrize("garbage", ["", "-1", "many", "1e9", "٣", "9" * 30, "nan", "0x10", "5 m 2"])
    def test_garbage_is_no_news(self, garbage: str) -> None:
        stored(remaining=500)
        before = RequestBudget.objects.values().get()
        for name in ("Limit", "Remain", "Remaining", "Reset", "Window"):
            learn(NAME, {f"X-Ratelimit-{name}": garbage})
        assert RequestBudget.objects.values().get() == before

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        headers=st.dictionaries(
            st.sampled_from([f"X-Ratelimit-{name}" for name in ("Limit", "Remain", "Reset", "Window")] + ["Date"]),
            st.text(max_size=12) | st.integers(-5, 2 * 10**9).map(str),
        ),
        remaining=st.integers(0, 600),
    )
    def test_no_headers_raise_what_is_left(self, headers: dict[str, str], remaining: int) -> None:
        stored(remaining=remaining)
        learn(NAME, headers)
        assert budget().remaining <= remaining

    def test_the_services_clock_may_be_wrong(self) -> None:
        stored()
        ahead = time.time() + 7_200
        headers = told(5) | {"X-Ratelimit-Reset": str(int(ahead + 60)), "Date": formatdate(ahead, usegmt=True)}
        learn(NAME, headers)
        assert 58 < (budget().resets_at - timezone.now()).total_seconds() <= 61

    @pytest.mark.parametrize(
        ("headers", "retry_after", "seconds"),
        [(told(0, seconds=80), None, 80), ({}, None, 300), ({}, 33.0, 33), (told(0, seconds=-9), None, 300)],
        ids=["reset", "nothing", "retry-after", "reset in the past"],
    )
    def test_a_refusal_spends_it_all_until_the_window_ends(
        self, headers: dict[str, str], retry_after: float | None, seconds: float
    ) -> None:
        stored(remaining=400, seconds=10)
        with pytest.raises(BudgetSpent) as caught:
            refuse(NAME, headers, retry_after=retry_after)
        assert caught.value.retry_after == pytest.approx(seconds, abs=3)
        with pytest.raises(BudgetSpent):
            take(NAME)


def run_all(threads: int, work: object) -> list[int]:
    """What `threads` threads got, each with connections of its own."""
    barrier = Barrier(threads)

    def one(place: int) -> int:
        barrier.wait()
        try:
            return work()  # type: ignore[operator, no-any-return]
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_eight_threads_never_take_more_than_there_is(self) -> None:
        stored(capacity=100, remaining=100)

        def until_spent() -> int:
            count = 0
            while True:
                try:
                    take(NAME)
                except BudgetSpent:
                    return count
                count += 1

        assert sum(run_all(8, until_spent)) == 100

    def test_nor_across_windows(self) -> None:
        capacity, windows = 40, 3
        stored(capacity=capacity, window_s=1, remaining=capacity, seconds=1)
        end = time.monotonic() + windows - 0.5

        def for_a_while() -> int:
            count = 0
            while time.monotonic() < end:
                try:
                    take(NAME)
                    count += 1
                except BudgetSpent:
                    time.sleep(0.01)
            return count

        taken = sum(run_all(8, for_a_while))
        assert capacity < taken <= capacity * windows

    def test_eight_threads_that_begin_at_once_share_one_row(self) -> None:
        left = run_all(8, lambda: take(NAME))
        assert sorted(left) == list(range(592, 600))

    def test_processes_and_threads_share_it_and_the_server_refuses_nobody(self) -> None:
        """The server knows a limit of 150 which nobody told us before the first answer."""
        with StubRegister(capacity=150, window_s=60).running() as stub:
            stub.companies["00000001"] = {"": {"company_number": "00000001"}}
            url = f"{stub.url}/company/00000001"
            ask(url)
            processes = [start(url) for _ in range(2)]
            try:
                for process in processes:
                    assert line_of(process) == "ready"
                for process in processes:
                    say(process, "go")
                mine = run_all(2, lambda: ask_until_spent(url))
                theirs = [int(line_of(process)) for process in processes]
            finally:
                for process in processes:
                    process.kill()
                    process.communicate()
        assert sum(mine) + sum(theirs) == 149
        assert all(theirs)
        assert (stub.accepted, stub.refused) == ([150], 0)


def ask(url: str) -> None:
    take(NAME)
    try:
        learn(NAME, plain_client().fetch(url, auth=(KEY, "")).headers)
    except RefusedAnswer as error:
        refuse(NAME, error.headers)


def ask_until_spent(url: str) -> int:
    count = 0
    while True:
        try:
            ask(url)
        except BudgetSpent:
            return count
        count += 1


SCRIPT = """
import sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[2]
django.setup()
from tests.businesses.test_budgets import ask_until_spent
print("ready", flush=True)
input()
print(ask_until_spent(sys.argv[1]), flush=True)
"""


def start(url: str) -> "subprocess.Popen[str]":
    name = str(connection.settings_dict["NAME"])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url, name],
        cwd=project.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "tests.settings", "LOG_LEVEL": "ERROR"},
    )  # fmt: skip


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return str(process.stdout.readline()).strip()


def say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_the_first_guess_is_what_the_register_documents() -> None:
    assert (budgets.CAPACITY, budgets.WINDOW_S) == (600, 300)

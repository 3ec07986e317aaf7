"""Twenty processes of two clusters are killed at random among six hundred jobs: none is lost, none done twice."""

import random
import time

import pytest

from oppspot.jobs.models import TERMINAL, Attempt, Outcome, Run, Status
from oppspot.jobs.services import emit_many
from tests.jobs.clusters import Cluster, Clusters, is_alive, kill, wait_until
from tests.jobs.sample.events import Hardy
from tests.jobs.sample.models import Trace
from tests.jobs.soundness import all_ended, assert_sound

pytestmark = [pytest.mark.slow, pytest.mark.alone]
JOBS, KILLS, WITHIN_S = 600, 20, 240.0


def ended() -> int:
    return Run.all_orgs.filter(status__in=TERMINAL).count()


def revive(clusters: Clusters, pair: list[Cluster]) -> int:
    """Start a cluster anew where the command is gone, as a service manager would; how many were."""
    gone = [place for place, cluster in enumerate(pair) if cluster.command.poll() is not None]
    for place in gone:
        pair[place] = clusters.launch()
    return len(gone)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_kills(clusters: Clusters, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    emit_many(Hardy, [{"steps": chance.choice((2, 3)), "seconds": 0.008} for _ in range(JOBS)])
    began = time.monotonic()
    pair = [clusters.launch(), clusters.launch()]
    kills = revived = 0
    killed_at = began
    while not all_ended() or kills < KILLS:
        assert time.monotonic() - began < WITHIN_S, f"{ended()} of {JOBS} ended, {kills} kills"
        revived += revive(clusters, pair)
        # Spread over the work; what is killed next may be what does it, so time counts, too.
        is_due = ended() >= JOBS * kills // KILLS or time.monotonic() - killed_at > 1
        processes = [process for cluster in pair for process in cluster.processes()]
        if kills < KILLS and is_due and len(processes) > 2:
            victim = chance.choice(processes)
            kill(victim)
            wait_until(lambda victim=victim: not is_alive(victim), "its death")  # type: ignore[misc]
            kills, killed_at = kills + 1, time.monotonic()
        time.sleep(0.02)
    duration = time.monotonic() - began
    assert_sound()
    assert Run.all_orgs.filter(status=Status.COMPLETED).count() == JOBS
    done = sum(run.event.data["steps"] for run in Run.all_orgs.select_related("event"))
    assert Trace.objects.count() == done
    again = Attempt.objects.exclude(outcome=Outcome.COMPLETED).count()
    with capsys.disabled():
        print(  # noqa: T201  the figures that documents quote
            f"\nseed {seed}: {JOBS} jobs, {done} steps, {kills} kills, {revived} commands started anew, "
            f"{again} starts in vain, 0 lost, 0 doubled, {duration:.0f} s"
        )
    wait_until(lambda: all(cluster.is_complete or cluster.command.poll() is not None for cluster in pair), "recovery")
    assert all(cluster.terminate() == 0 for cluster in pair if cluster.command.poll() is None)
    wait_until(lambda: not clusters.processes(), "no process is left")

"""The parts that a cluster's processes share: whoever dies while using one leaves it usable to the rest."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oppspot.jobs import ipc
from tests.jobs.clusters import wait_until

FORK = multiprocessing.get_context("fork")
Process = multiprocessing.context.ForkProcess


@pytest.fixture
def queue() -> Iterator[ipc.Queue]:
    made = ipc.Queue()
    yield made
    made._reader.close()
    made._writer.close()


@pytest.fixture
def answers() -> Iterator[ipc.Queue]:
    made = ipc.Queue()
    yield made
    made._reader.close()
    made._writer.close()


@pytest.fixture
def event() -> Iterator[ipc.Event]:
    made = ipc.Event()
    yield made
    os.close(made._read)
    os.close(made._write)


@pytest.fixture
def fork() -> Iterator[Callable[..., Process]]:
    """Starts a function in a child; none is left at the end."""
    started: list[Process] = []

    def run(target: Callable[..., Any], *arguments: Any) -> Process:
        process = FORK.Process(target=target, args=arguments)
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.join()
        process.close()


Fork = Callable[..., Process]


def echo(queue: ipc.Queue, answers: ipc.Queue) -> None:
    for message in iter(queue.get, "STOP"):
        answers.put((os.getpid(), message))


def test_messages_come_in_order(queue: ipc.Queue) -> None:
    assert queue.empty()
    assert queue.qsize() == 0
    for message in (1, "two", {"three": [3]}, None):
        queue.put(message)
    assert not queue.empty()
    assert queue.qsize() == 1
    assert [queue.get() for _ in range(4)] == [1, "two", {"three": [3]}, None]
    assert queue.empty()


def test_a_message_too_long_is_refused(queue: ipc.Queue) -> None:
    queue.put("x" * (ipc.MAX_MESSAGE - 100))
    assert len(queue.get()) == ipc.MAX_MESSAGE - 100
    with pytest.raises(ValueError, match="at most 60000 fit"):
        queue.put("x" * ipc.MAX_MESSAGE)
    assert queue.empty()


def test_put_waits_for_room(queue: ipc.Queue) -> None:
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.extend(queue.get() for _ in range(200)))
    for number in range(5):
        queue.put(number)
    thread.start()
    for number in range(5, 200):
        queue.put(number)
    thread.join()
    assert got == list(range(200))


def test_a_full_queue_takes_no_offer(queue: ipc.Queue) -> None:
    accepted = sum(queue.offer("ring") for _ in range(1_000))
    assert 0 < accepted < 1_000
    for _ in range(accepted):
        assert queue.get() == "ring"
    assert queue.empty()
    assert queue.offer("again")


@pytest.mark.parametrize("round_", range(5))
def test_readers_killed_while_they_wait_leave_it_usable(
    queue: ipc.Queue, answers: ipc.Queue, fork: Fork, round_: int
) -> None:
    victims = [fork(echo, queue, answers) for _ in range(3)]
    survivor = fork(echo, queue, answers)
    for reader in (*victims, survivor):  # each reads at least once
        assert reader.pid is not None
    queue.put("first")
    answers.get()
    for victim in victims:
        victim.kill()
        victim.join()
    for number in range(30):
        queue.put(number)
        assert answers.get() == (survivor.pid, number)
    queue.put("STOP")
    survivor.join()
    assert survivor.exitcode == 0


def write_many(queue: ipc.Queue, writer: int, count: int) -> None:
    for number in range(count):
        queue.put((writer, number))


def test_many_writers_and_readers_lose_and_double_nothing(queue: ipc.Queue, answers: ipc.Queue, fork: Fork) -> None:
    writers, readers, count = 4, 4, 500
    reading = [fork(echo, queue, answers) for _ in range(readers)]
    writing = [fork(write_many, queue, writer, count) for writer in range(writers)]
    got = [answers.get() for _ in range(writers * count)]
    assert sorted(message for _, message in got) == [(w, n) for w in range(writers) for n in range(count)]
    for process in writing:
        process.join()
    for _ in reading:
        queue.put("STOP")
    for process in reading:
        process.join()
    assert {process.exitcode for process in (*writing, *reading)} == {0}
    assert answers.empty()


def test_a_writer_killed_in_the_middle_leaves_whole_messages(queue: ipc.Queue, fork: Fork) -> None:
    for _ in range(5):
        writer = fork(write_many, queue, 1, 1_000_000)
        numbers = [queue.get()[1] for _ in range(50)]
        assert numbers == list(range(50))
        writer.kill()
        writer.join()
        while not queue.empty():
            assert isinstance(queue.get(), tuple)


def wait_and_tell(event: ipc.Event, answers: ipc.Queue) -> None:
    answers.put("waiting")
    answers.put(event.wait())


def test_an_event_reaches_all_that_wait_though_one_was_killed(event: ipc.Event, answers: ipc.Queue, fork: Fork) -> None:
    assert not event.is_set()
    assert event.wait(0) is False
    assert event.wait(0.05) is False
    waiting = [fork(wait_and_tell, event, answers) for _ in range(3)]
    assert [answers.get() for _ in waiting] == ["waiting"] * 3
    waiting[0].kill()
    waiting[0].join()
    event.set()
    event.set()
    assert [answers.get(), answers.get()] == [True, True]
    assert event.is_set()
    assert event.wait()


def test_a_value_is_shared(fork: Fork) -> None:
    value = ipc.Value("f", -1)

    def write() -> None:
        with value.get_lock():
            value.value = 3
        os.kill(os.getpid(), signal.SIGKILL)

    fork(write).join()
    assert value.value == 3
    with value.get_lock():
        value.value -= 0.5
    assert value.value == 2.5


def abandon(target: Callable[..., None], queue: ipc.Queue, event: ipc.Event, answers: ipc.Queue) -> None:
    """A parent that dies at once, before its child has done anything."""
    if os.fork() == 0:
        try:
            while os.getppid() != 1 and not ipc.is_orphan():
                time.sleep(0.01)
            target(queue, event)
            answers.put("ended")
        except ipc.Orphaned as error:
            answers.put(f"orphaned, {error.code}")
        finally:
            os._exit(0)
    os._exit(0)


def fill(queue: ipc.Queue, event: ipc.Event) -> None:
    while True:
        queue.put("ring")


@pytest.mark.parametrize("target", [lambda queue, event: queue.get(), fill], ids=["get", "put"])
def test_an_orphan_stops_waiting(
    queue: ipc.Queue, answers: ipc.Queue, event: ipc.Event, fork: Fork, target: Callable[..., None]
) -> None:
    fork(abandon, target, queue, event, answers)
    assert answers.get() == "orphaned, 1"


def test_for_an_orphan_every_event_has_come(queue: ipc.Queue, answers: ipc.Queue, event: ipc.Event, fork: Fork) -> None:
    fork(abandon, lambda queue, event: event.wait(), queue, event, answers)
    assert answers.get() == "ended"


def test_an_orphan_reads_what_is_left(queue: ipc.Queue, answers: ipc.Queue, event: ipc.Event, fork: Fork) -> None:
    queue.put("left")

    def read(queue: ipc.Queue, event: ipc.Event) -> None:
        answers.put(queue.get())

    fork(abandon, read, queue, event, answers)
    assert [answers.get(), answers.get()] == ["left", "ended"]


def test_the_tests_themselves_are_no_orphan() -> None:
    assert not ipc.is_orphan()


def test_children_and_grandchildren_know_their_parents(answers: ipc.Queue, fork: Fork) -> None:
    def nest(depth: int) -> None:
        answers.put(ipc.is_orphan())
        if depth:
            pid = os.fork()
            if pid == 0:
                nest(depth - 1)
                os._exit(0)
            os.waitpid(pid, 0)

    fork(nest, 2)
    assert [answers.get() for _ in range(3)] == [False] * 3
    wait_until(answers.empty, "nothing more")

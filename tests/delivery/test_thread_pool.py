"""The exporter's threads: one task per queue at a time, few threads, and none when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from flask_chest.delivery import thread_pool
from flask_chest.delivery.thread_pool import ThreadPool
from tests.waiting import wait_until


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool()
    yield pool
    pool.stop()


def test_tasks_of_a_queue_never_overlap(pool: ThreadPool) -> None:
    """Many threads offer tasks to one queue; each runs, and no two at once."""
    queue = pool.queue("store")
    running = threading.Lock()
    done: list[int] = []

    def task(number: int) -> None:
        assert running.acquire(blocking=False), "two tasks at once"
        done.append(number)
        running.release()

    def offer(first: int) -> None:
        for number in range(first, first + 500):
            queue.offer(lambda number=number: task(number))  # type: ignore[misc]

    threads = [threading.Thread(target=offer, args=(first,)) for first in range(0, 2000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(done) == 2000, lambda: f"only {len(done)} ran")
    assert sorted(done) == list(range(2000))


def test_a_task_that_waits_is_not_queued_again(pool: ThreadPool) -> None:
    """It is queued again while it runs, since something may have come meanwhile."""
    queue = pool.queue("store")
    started, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def task() -> None:
        started.release()
        go_on.acquire()

    queue.offer(task)
    started.acquire()
    for _ in range(5):
        queue.offer(task)
    go_on.release(5)
    assert started.acquire(timeout=10)
    assert not started.acquire(timeout=0.1)


def test_stuck_tasks_delay_no_other(pool: ThreadPool) -> None:
    """While more tasks hang than threads are kept, a further one still runs."""
    release = threading.Event()
    stuck = [pool.queue(number) for number in range(10)]
    for queue in stuck:
        queue.offer(lambda: release.wait(60), urgent=True)
    ran = threading.Event()
    healthy = pool.queue("healthy")
    healthy.offer(ran.set, urgent=True)
    try:
        assert ran.wait(10)
    finally:
        release.set()


def test_surplus_threads_end(pool: ThreadPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a burst only the few threads are left that a process keeps."""
    monkeypatch.setattr(thread_pool, "_LINGER", 0.05)
    # Not a number: threads of other tests may end meanwhile.
    others = set(threading.enumerate())
    barrier = threading.Barrier(21, timeout=60)

    def count() -> int:
        return len(set(threading.enumerate()) - others)

    queues = [pool.queue(number) for number in range(20)]
    for queue in queues:
        queue.offer(barrier.wait, urgent=True)
    barrier.wait()
    assert count() > 4
    wait_until(lambda: count() <= 4, lambda: "threads stay")
    pool.stop()
    wait_until(lambda: count() == 0, lambda: "threads stay after stop()")


def test_a_task_for_later(pool: ThreadPool) -> None:
    """It runs when its time has come, and not before."""
    started, ran = time.monotonic(), threading.Event()
    pool.own_queue().offer_later(ran.set, 0.2)
    assert ran.wait(60)
    assert time.monotonic() - started >= 0.2


def test_a_task_that_is_forgotten(pool: ThreadPool) -> None:
    """A process that ends does not start what was to start later."""
    order: list[str] = []
    done = threading.Event()
    queue = pool.own_queue()
    queue.offer_later(lambda: order.append("early"), 0.05)
    pool.forget_later()
    queue.offer_later(done.set, 0.1)
    assert done.wait(60)
    assert order == []


def test_a_pause(pool: ThreadPool) -> None:
    """It waits for the task that runs, and no other starts before it ends."""
    queue, other = pool.queue("store"), pool.queue("other")
    started, ended, ran = threading.Event(), threading.Event(), threading.Event()

    def task() -> None:
        started.set()
        time.sleep(0.2)
        ended.set()

    queue.offer(task)
    assert started.wait(10)
    pool.pause(10)
    assert ended.is_set()
    other.offer(ran.set)
    assert not ran.wait(0.2)
    pool.resume()
    assert ran.wait(10)


def test_a_task_that_raises(pool: ThreadPool, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next task runs."""
    ran = threading.Event()
    queue = pool.queue("store")
    queue.offer(lambda: 1 / 0)
    queue.offer(ran.set)
    assert ran.wait(10)
    assert "a task of the exporter failed" in caplog.text

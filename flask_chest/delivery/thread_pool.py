"""The exporter's threads: they run queued tasks, and end when there is nothing to do."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import TypeAlias
from weakref import WeakValueDictionary

_logger = logging.getLogger("flask_chest.delivery")

Task: TypeAlias = Callable[[], object]

# Threads that stay, so that a process that ends need not start any: since Python 3.12 it cannot.
_MAX_KEPT = 4
# The limit while stores hang.
_MAX_THREADS = 64
# A task that waits longer gets another thread, since the threads that run may all be stuck.
_PATIENCE = 0.2
# Seconds after which a surplus thread ends.
_LINGER = 5.0


class TaskQueue:
    """Tasks that never run at the same time, such as all writes to one store.

    :param pool: runs the tasks.
    """

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        #: The tasks that wait, oldest first. A task that waits is not queued again.
        self.tasks: dict[Task, None] = {}
        #: Whether the queue waits for a thread, or has one.
        self.active = False
        self.ready_since = 0.0

    def offer(self, task: Task, *, urgent: bool = False) -> None:
        """Run a task soon, in a thread of the pool; do nothing if it waits already.

        :param urgent: start a thread at once if all are busy.
        :raises RuntimeError: the pool has no thread, and none can be started.
        """
        self._pool.offer(self, task, urgent=urgent)

    def offer_later(self, task: Task, seconds: float) -> None:
        """Run a task after some time.

        :raises RuntimeError: the pool has no thread, and none can be started.
        """
        self._pool.offer_later(self, task, seconds)


class ThreadPool:
    """Runs the tasks of many queues in as few daemon threads as possible.

    Daemon threads do not delay the end of the process, even if a store hangs.
    """

    def __init__(self) -> None:
        # Not a SimpleQueue: gevent cannot patch one that was imported before gevent patched.
        self._changed = threading.Condition()
        self._queues: WeakValueDictionary[Hashable, TaskQueue] = WeakValueDictionary()
        self._ready: deque[TaskQueue] = deque()
        self._later: list[tuple[float, TaskQueue, Task]] = []
        self._threads = 0
        self._idle = 0
        self._running = 0
        self._stopped = False
        #: Set while no task may start. A task that takes long should end early.
        self.paused = threading.Event()

    def queue(self, key: Hashable) -> TaskQueue:
        """Return the queue of a key, which exists as long as somebody refers to it."""
        with self._changed:
            return self._queues.setdefault(key, TaskQueue(self))

    def own_queue(self) -> TaskQueue:
        """Return a new queue, which nobody else has."""
        return self.queue(object())

    def start(self) -> None:
        """Start the threads that stay: one for each queue, up to a limit.

        :raises RuntimeError: no thread can be started.
        """
        with self._changed:
            while self._threads < self._kept():
                self._start_thread()

    def offer(self, queue: TaskQueue, task: Task, *, urgent: bool) -> None:
        """See :meth:`TaskQueue.offer`."""
        with self._changed:
            if not self._threads:
                self._start_thread()
            self._enqueue(queue, task)
            self._add_threads(0.0 if urgent else _PATIENCE)
            self._changed.notify()

    def offer_later(self, queue: TaskQueue, task: Task, seconds: float) -> None:
        """See :meth:`TaskQueue.offer_later`."""
        with self._changed:
            if not self._threads:
                self._start_thread()
            self._later.append((time.monotonic() + seconds, queue, task))
            self._changed.notify()

    def relieve(self) -> None:
        """Start threads for tasks that have waited too long; called from time to time."""
        with self._changed:
            self._add_threads(_PATIENCE)

    def pause(self, seconds: float) -> None:
        """Let no task start, and wait for those that run.

        :param seconds: how long to wait at most.
        """
        self.paused.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)

    def resume(self) -> None:
        """Let tasks start again."""
        self.paused.clear()
        with self._changed:
            self._changed.notify_all()

    def forget_later(self) -> None:
        """Do not run the tasks that were to run later."""
        with self._changed:
            self._later.clear()

    def stop(self) -> None:
        """End each thread when no task is left."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _enqueue(self, queue: TaskQueue, task: Task) -> None:
        queue.tasks[task] = None
        if not queue.active:
            queue.active = True
            queue.ready_since = time.monotonic()
            self._ready.append(queue)

    def _enqueue_due(self) -> None:
        now = time.monotonic()
        due = [each for each in self._later if each[0] <= now]
        self._later = [each for each in self._later if each[0] > now]
        for _, queue, task in due:
            self._enqueue(queue, task)

    def _kept(self) -> int:
        return min(_MAX_KEPT, len(self._queues))

    def _add_threads(self, patience: float) -> None:
        oldest_first = list(self._ready)[self._idle : _MAX_THREADS]
        now = time.monotonic()
        for queue in oldest_first:
            late = now - queue.ready_since >= patience
            if self._threads >= (_MAX_THREADS if late else self._kept()):
                return
            try:
                self._start_thread()
            except RuntimeError:
                return  # the threads that run take the task later

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="flask-chest-delivery", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except BaseException:
            self._threads -= 1
            raise

    def _work(self) -> None:
        while (work := self._next_task()) is not None:
            queue, task = work
            try:
                task()
            except Exception:
                _logger.exception("a task of the exporter failed")
            finally:
                self._finish(queue)
            del work, queue, task  # the thread may now wait for long

    def _next_task(self) -> tuple[TaskQueue, Task] | None:
        with self._changed:
            self._idle += 1
            try:
                while self.paused.is_set() or not self._is_ready():
                    if (self._stopped and not self._ready) or not self._wait():
                        self._threads -= 1
                        return None
            finally:
                self._idle -= 1
            self._running += 1
            queue = self._ready.popleft()
            task = next(iter(queue.tasks))
            del queue.tasks[task]
            return queue, task

    def _is_ready(self) -> bool:
        if self._later:
            self._enqueue_due()
        return bool(self._ready)

    def _wait(self) -> bool:
        """Wait for a change; return ``False`` if this thread is superfluous."""
        if self._later and not self.paused.is_set():
            earliest = min(due for due, _, _ in self._later)
            self._changed.wait(max(0.0, earliest - time.monotonic()))
            return True
        if self._threads <= self._kept():
            return self._changed.wait()
        return self._changed.wait(_LINGER) or bool(self._ready)

    def _finish(self, queue: TaskQueue) -> None:
        with self._changed:
            self._running -= 1
            if queue.tasks:
                queue.ready_since = time.monotonic()
                self._ready.append(queue)
            else:
                queue.active = False
            self._changed.notify_all()

"""Detects forks: each process that serves starts the exporter itself, with its first record."""

from __future__ import annotations

import os
import sys
import weakref
from types import FrameType

from .._process_lock import ProcessLock, current_process
from .delivery_config import DeliveryConfig
from .exporter import current_exporter, existing_exporter
from .pipeline import Pipeline

# Seconds that a fork may wait for batches that are being sent.
_FORK_SECONDS = 1.0


class PerProcessPipeline:
    """The pipeline of one app's delivery: a process that was forked starts its own.

    :param config: how records are delivered.
    :param app: the app; signals are sent in its name.
    """

    def __init__(self, config: DeliveryConfig, app: object) -> None:
        self._config = config
        self._app = weakref.ref(app)
        self._pipeline: Pipeline | None = None
        self._starting = ProcessLock()
        _all_pipelines.add(self)

    @property
    def app(self) -> object:
        """The app; ``None`` if it is gone."""
        return self._app()

    def start(self) -> Pipeline:
        """Start the exporter in this process, or join it, unless this has happened."""
        with self._starting.mine:
            pipeline = self.own_pipeline()
            if pipeline is None:
                if self._pipeline is not None and self._pipeline.pid != current_process():
                    self.after_fork_in_child()  # in case of a fork that Python did not notice
                pipeline = self._pipeline = current_exporter().join(self, self._config)
            return pipeline

    def own_pipeline(self) -> Pipeline | None:
        """Return the pipeline of this process; ``None`` if only a parent process has one."""
        pipeline = self._pipeline
        if pipeline is None or pipeline.pid != current_process() or pipeline.closing:
            return None
        return pipeline

    def start_for_children(self) -> None:
        """Start delivery in a process that serves by forked children, if the buffer is shared."""
        if self._config.reopens and self._config.delivers:
            self.start()

    def after_fork_in_child(self) -> None:
        """Drop the parent's pipeline without touching the parent's files."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.buffer.after_fork_in_child()


_all_pipelines: weakref.WeakSet[PerProcessPipeline] = weakref.WeakSet()


def _before_fork() -> None:
    exporter = existing_exporter()
    if exporter is not None:
        exporter.before_fork(_FORK_SECONDS)


def _after_fork_in_child() -> None:
    for pipeline in list(_all_pipelines):
        pipeline.after_fork_in_child()


def _after_fork_in_parent() -> None:
    exporter = existing_exporter()
    if exporter is not None:
        exporter.after_fork_in_parent()
    # A child that answers one request ends before it has delivered anything. So the parent delivers
    # what its children have left in the journal.
    if _forks_for_a_request():
        for pipeline in list(_all_pipelines):
            pipeline.start_for_children()


def _forks_for_a_request() -> bool:
    """Return whether the standard library's server forks now, which has a process per request."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "process_request":
            return frame.f_globals.get("__name__") == "socketserver"
        frame = frame.f_back
    return False


os.register_at_fork(
    before=_before_fork,
    after_in_child=_after_fork_in_child,
    after_in_parent=_after_fork_in_parent,
)

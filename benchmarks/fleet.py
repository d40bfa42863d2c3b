"""Simulates a fleet: which records wait, for how long, and which are lost, under varying load.

The simulation treats records as a fluid. In each step every machine adds the records of its
requests to its journal, and its agent delivers as many as the agent and the store can process. The
oldest records go first.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Identical machines, each with agents, and one store.

    :param machines: number of machines.
    :param agents: delivering processes on each machine.
    :param agent_rate: records per second of one agent if the store is not the bottleneck.
    :param store_rate: records per second that the store accepts in total.
    :param journal_bytes: maximum size of a machine's journal: ``CHEST_BUFFER_MAX_BYTES``.
    :param journal_record: bytes of a record in the journal.
    """

    machines: int
    agents: int = 1
    agent_rate: float
    store_rate: float
    journal_bytes: float = 256 * 2**20
    journal_record: float


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Requests per second to the whole fleet: a cosine over the day.

    :param mean: mean over a day.
    :param peak: maximum, as a multiple of the mean.
    """

    mean: float
    peak: float = 1.0

    def at(self, seconds: float) -> float:
        """Requests per second; the maximum is in the middle of the day."""
        wave = -math.cos(2 * math.pi * seconds / DAY)
        return self.mean * (1 + (self.peak - 1) * wave)


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A time in which the store does not answer.

    :param begin: seconds from the start.
    :param seconds: length of the outage.
    :param noticed: seconds after its end until the agents retry; their backoff is up to a minute.
    """

    begin: float
    seconds: float
    noticed: float = 0.0

    @property
    def end(self) -> float:
        """When delivery starts again."""
        return self.begin + self.seconds + self.noticed


@dataclass(frozen=True, kw_only=True)
class Course:
    """The result of a simulation.

    :param arrived: records of all machines, like all counts here.
    :param delivered: records in the store.
    :param lost: records that a full journal dropped.
    :param waiting: records that wait at the end.
    :param most_waiting: maximum of waiting records.
    :param most_bytes: maximum size of one machine's journal.
    :param longest_wait: maximum of seconds from the capture of a record to its delivery.
    :param caught_up: when the backlog of an outage was delivered; ``None`` if it was not, or if
        there was no backlog.
    """

    arrived: float
    delivered: float
    lost: float
    waiting: float
    most_waiting: float
    most_bytes: float
    longest_wait: float
    caught_up: float | None


def simulate(
    fleet: Fleet, traffic: Traffic, seconds: float, outages: Sequence[Outage] = (), step: float = 1
) -> Course:
    """Simulate a span of time.

    :param seconds: length of the simulated time.
    :param step: length of a step in seconds; rates are constant within a step.
    """
    room = fleet.machines * fleet.journal_bytes / fleet.journal_record
    rate = min(fleet.machines * fleet.agents * fleet.agent_rate, fleet.store_rate)
    arrived = gone = lost = most = longest = 0.0
    ends: list[float] = []  # end of a step, and the number of records that had arrived
    totals: list[float] = []
    caught_up: float | None = None
    for number in range(round(seconds / step)):
        now = number * step
        came = traffic.at(now) * step
        arrived += came
        ends.append(now + step)
        totals.append(arrived)
        if not any(outage.begin <= now < outage.end for outage in outages):
            # The oldest records go first, so find the first step with records that wait.
            longest = max(longest, now + step - ends[min(bisect_right(totals, gone), number)])
            gone += min(rate * step, arrived - gone)
        most = max(most, min(arrived - gone, room))
        overflow = max(0.0, arrived - gone - room)  # the journal drops its oldest records
        lost += overflow
        gone += overflow
        behind = arrived - gone > came
        if behind:
            caught_up = None
        elif most > came and caught_up is None:
            caught_up = now + step
    return Course(
        arrived=arrived,
        delivered=gone - lost,
        lost=lost,
        waiting=arrived - gone,
        most_waiting=most,
        most_bytes=most * fleet.journal_record / fleet.machines,
        longest_wait=longest,
        caught_up=caught_up,
    )

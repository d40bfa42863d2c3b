"""A fleet, simulated: what waits, for how long, and what is lost, when traffic and stores vary.

Records are a fluid here: each step, every machine takes in what its requests leave, and its agent
delivers what it, the store's share for it, and the store being up allow. First in is first out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Machines that are alike, each with an agent, before one store.

    :param machines: how many.
    :param agents: processes that deliver, on each machine.
    :param agent_rate: records a second that one delivers to a store that is not the bottleneck.
    :param store_rate: records a second that the store takes from all.
    :param journal_bytes: what the journal of a machine may take: ``CHEST_BUFFER_MAX_BYTES``.
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
    """Requests a second to the whole fleet over the day: a cosine around the mean.

    :param mean: over a day.
    :param peak: the busiest second, as a multiple of the mean.
    """

    mean: float
    peak: float = 1.0

    def at(self, seconds: float) -> float:
        """Requests a second; the day is busiest in its middle."""
        wave = -math.cos(2 * math.pi * seconds / DAY)
        return self.mean * (1 + (self.peak - 1) * wave)


@dataclass(frozen=True, kw_only=True)
class Outage:
    """The store does not answer.

    :param begin: seconds from the start.
    :param seconds: until it answers again.
    :param noticed: seconds from then on until agents try again; they back off by up to a minute.
    """

    begin: float
    seconds: float
    noticed: float = 0.0

    @property
    def end(self) -> float:
        """When records flow again."""
        return self.begin + self.seconds + self.noticed


@dataclass(frozen=True, kw_only=True)
class Course:
    """What came of it.

    :param arrived: records of all machines, as all counts here.
    :param delivered: to the store.
    :param lost: dropped, since a journal was full.
    :param waiting: at the end.
    :param most_waiting: at the worst moment.
    :param most_bytes: in the journal of one machine, at the worst moment.
    :param longest_wait: seconds from a record's making to its delivery, at the worst.
    :param caught_up: when what an outage left was delivered; ``None`` where it was not, or where
        nothing had to be.
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
    """Let time pass.

    :param seconds: how much of it.
    :param step: seconds in which nothing changes.
    """
    room = fleet.machines * fleet.journal_bytes / fleet.journal_record
    rate = min(fleet.machines * fleet.agents * fleet.agent_rate, fleet.store_rate)
    arrived = gone = lost = most = longest = 0.0
    ends: list[float] = []  # when a step ended, and how many had arrived by then
    totals: list[float] = []
    caught_up: float | None = None
    for number in range(round(seconds / step)):
        now = number * step
        came = traffic.at(now) * step
        arrived += came
        ends.append(now + step)
        totals.append(arrived)
        if not any(outage.begin <= now < outage.end for outage in outages):
            # The oldest go first: of the step that is the first not to be gone.
            longest = max(longest, now + step - ends[min(bisect_right(totals, gone), number)])
            gone += min(rate * step, arrived - gone)
        most = max(most, min(arrived - gone, room))
        overflow = max(0.0, arrived - gone - room)  # the oldest go
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

"""One consumer of a consumer group: several consumers share the entries of a Redis stream.

https://redis.io/docs/latest/develop/data-types/streams/#consumer-groups
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import DeliveryError
from .chest import FIELD, FlaskChestRedis

# Before it reads, the script looks for entries that Redis trimmed before the group read them: the
# number of all trimmed entries is above that of all read entries. It is one script because Redis
# may trim at any time. It does not correct the group's entries-read at once: if its answer got
# lost, so would be the number of trimmed entries. It returns both numbers, and corrects
# entries-read when the consumer calls it with them; it then returns the difference, unless another
# consumer was first. It also corrects entries-read after reading, because Redis 7.0 does not count
# trimmed entries (https://github.com/redis/redis/issues/13957) and does not write the number to its
# log, so it would have an old number after a restart. A new group starts at "0", the oldest entry.
# For a record the script returns only its line: the driver needs time for each element.
_READ = """
local key, group = KEYS[1], ARGV[1]
if redis.call('EXISTS', key) == 0 then return {0, 0, 0, {}, {}} end
local function named(flat)
  local found = {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end
local function parts(id)
  local ms, number = id:match('(%d+)-(%d+)')
  return tonumber(ms), tonumber(number)
end
local function before(one, other)
  local ms, number = parts(one)
  local other_ms, other_number = parts(other)
  return ms < other_ms or (ms == other_ms and number < other_number)
end
local stream = named(redis.call('XINFO', 'STREAM', key))
local mine
for _, each in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  each = named(each)
  if each['name'] == group then mine = each end
end
if not mine then
  redis.call('XGROUP', 'CREATE', key, group, '0', 'ENTRIESREAD', '0')
  mine = {['last-delivered-id'] = '0-0', ['entries-read'] = 0}
end
local counted, last = 0, mine['last-delivered-id']
local gone, read = stream['entries-added'] - stream['length'], mine['entries-read']
local first = stream['first-entry'] and stream['first-entry'][1]
if read and gone > read and (not first or before(last, first)) then
  if read == tonumber(ARGV[5]) then
    counted, read = tonumber(ARGV[6]) - read, tonumber(ARGV[6])
    redis.call('XGROUP', 'SETID', key, group, last, 'ENTRIESREAD', read)
  end
  if gone > read then return {counted, read, gone, {}, {}} end
end
local found = redis.call(
  'XREADGROUP', 'GROUP', group, ARGV[2], 'COUNT', ARGV[3], 'STREAMS', key, '>'
)
local ids, values = {}, {}
for i, entry in ipairs(found and found[1][2] or {}) do
  local fields = entry[2]
  ids[i] = entry[1]
  values[i] = #fields == 2 and fields[1] == ARGV[4] and fields[2] or fields
end
if read and #ids > 0 then
  redis.call('XGROUP', 'SETID', key, group, ids[#ids], 'ENTRIESREAD', read + #ids)
end
return {counted, 0, 0, ids, values}
"""
# Dead consumers leave their names behind. One with pending entries must stay: Redis would delete
# them together with the consumer.
_DELETE_IDLE = """
local all = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if all['err'] then return end
for _, each in ipairs(all) do
  local consumer = {}
  for i = 1, #each, 2 do consumer[each[i]] = each[i + 1] end
  if consumer['pending'] == 0 and consumer['idle'] >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
  end
end
"""
_START = b"0-0"
_NO_GAP = (0, 0)
# Milliseconds. A released entry gets this idle time, so that any consumer may claim it at once.
_RELEASED_IDLE_MS = 365 * 86400 * 1000


@dataclass(frozen=True, slots=True)
class ClaimedEntries:
    """Entries that Redis has assigned to this consumer.

    :param entries: ids and fields.
    :param lost: number of entries that Redis trimmed before a consumer had acknowledged them.
    """

    entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]
    lost: int = 0


class ConsumerGroup:
    """One consumer of a group. All methods raise ``OSError`` if the server fails.

    :param chest: the chest of the stream.
    :param name: the group's name; the group is created on first use and starts at the oldest entry.
    """

    def __init__(self, chest: FlaskChestRedis, name: str) -> None:
        self.chest = chest
        self.name = name
        #: The consumer's name in Redis.
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        # Trimmed entries that are not counted yet: the number of read ones, and of trimmed ones.
        self._gap = _NO_GAP
        self._is_gap_sent = False
        self._lost = 0

    def read(self, count: int) -> ClaimedEntries:
        """Read entries that no consumer of the group has read yet.

        :param count: the most entries.
        """
        entries, values = self._read(count)
        if self._gap != _NO_GAP:
            entries, values = self._read(count)
        lost, self._lost = self._lost, 0
        return ClaimedEntries(list(zip(entries, map(_fields, values), strict=True)), lost)

    def _read(self, count: int) -> tuple[list[bytes], list[Any]]:
        (before, gone), was_sent = self._gap, self._is_gap_sent
        self._is_gap_sent = self._gap != _NO_GAP
        with self._client() as client:
            counted, *found, entries, values = client.eval(
                *(_READ, 1, self.chest.stream, self.name, self.consumer, count, FIELD),
                *(before, gone),
            )
        if not counted and was_sent:
            # The answer to an earlier call got lost, but the script had corrected the number.
            counted = gone - before
        self._lost += int(counted)
        self._gap, self._is_gap_sent = (int(found[0]), int(found[1])), False
        return entries, values

    def claim(self, count: int, idle_ms: int) -> ClaimedEntries:
        """Claim entries of consumers that seem to be dead.

        :param count: the most entries.
        :param idle_ms: milliseconds since an entry was read, claimed or renewed.
        """
        from redis.exceptions import ResponseError

        start, lost = _START, 0
        found: Sequence[tuple[bytes, Mapping[bytes, bytes]]] = []
        with self._client() as client:
            while not found:
                try:
                    start, found, deleted = client.xautoclaim(
                        self.chest.stream, self.name, self.consumer, idle_ms, start, count
                    )
                except ResponseError as error:
                    # The first record makes the stream, and the first read makes the group.
                    if str(error).startswith("NOGROUP"):
                        break
                    raise
                lost += len(deleted)
                if start == _START:
                    break
        return ClaimedEntries(found, lost)

    def acknowledge(self, entries: Sequence[bytes]) -> None:
        """Acknowledge entries: the group is finished with them."""
        with self._client() as client:
            client.xack(self.chest.stream, self.name, *entries)

    def renew(self, entries: Sequence[bytes]) -> None:
        """Reset the idle time of this consumer's entries, so that no other consumer claims them."""
        self._set_idle(entries, 0)

    def release(self, entries: Sequence[bytes]) -> None:
        """Let other consumers claim these entries at once."""
        self._set_idle(entries, _RELEASED_IDLE_MS)

    def delete_consumer(self) -> None:
        """Delete this consumer from the group; it must have no pending entries."""
        with self._client() as client:
            client.xgroup_delconsumer(self.chest.stream, self.name, self.consumer)

    def delete_idle_consumers(self, idle_ms: int) -> None:
        """Delete consumers that have no pending entries.

        :param idle_ms: milliseconds since the consumer's last command.
        """
        with self._client() as client:
            client.eval(_DELETE_IDLE, 1, self.chest.stream, self.name, idle_ms)

    def close(self) -> None:
        """Close the connection."""
        self.chest.close()

    def _set_idle(self, entries: Sequence[bytes], idle_ms: int) -> None:
        with self._client() as client:
            client.xclaim(
                self.chest.stream,
                self.name,
                self.consumer,
                min_idle_time=0,
                message_ids=list(entries),
                idle=idle_ms,
                justid=True,
            )

    @contextmanager
    def _client(self) -> Iterator[Any]:
        try:
            with self.chest.converted_errors():
                yield self.chest.client()
        except DeliveryError as error:
            raise OSError(str(error)) from None


def _fields(value: bytes | Sequence[bytes]) -> dict[bytes, bytes]:
    if isinstance(value, bytes):
        return {FIELD: value}
    return dict(zip(value[::2], value[1::2], strict=True))

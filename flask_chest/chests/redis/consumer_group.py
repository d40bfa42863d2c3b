"""A consumer group of a Redis stream: several readers share its entries.

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

# Before it reads, it sees whether the cap has cut off entries that the group has not read: those
# that were ever cut off are more than those that it has read. In one script, for entries may be cut
# off at any time. The group's count is put right then, and again after reading: Redis 7.0 reckons
# without what was cut off (https://github.com/redis/redis/issues/13957), and does not write the
# count to its log, so that it would know an old one after a restart. "0": a new group begins with
# what is there. Of a record comes its line alone, since the driver takes its time over each part of
# an answer.
_TAKE = """
local key, group = KEYS[1], ARGV[1]
if redis.call('EXISTS', key) == 0 then return {0, {}, {}} end
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
local trimmed, last = 0, mine['last-delivered-id']
local gone, read = stream['entries-added'] - stream['length'], mine['entries-read']
local first = stream['first-entry'] and stream['first-entry'][1]
if read and gone > read and (not first or before(last, first)) then
  trimmed, read = gone - read, gone
  redis.call('XGROUP', 'SETID', key, group, last, 'ENTRIESREAD', read)
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
return {trimmed, ids, values}
"""
# Readers that died leave their names behind. One that has entries must stay: they would go with it.
_TIDY = """
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
_BEGIN = b"0-0"
# The idle time of an entry that is given back: anybody may claim it.
_AGES = 365 * 86400 * 1000


@dataclass(frozen=True, slots=True)
class ClaimedEntries:
    """What a look at the stream has brought.

    :param entries: ids and fields.
    :param lost: entries that the cap has cut off before anybody had dealt with them.
    """

    entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]
    lost: int = 0


class ConsumerGroup:
    """One reader of a group. All methods raise ``OSError`` where the server does not do it.

    :param chest: the stream.
    :param name: the group's; made on first use, and begins with the oldest entry.
    """

    def __init__(self, chest: FlaskChestRedis, name: str) -> None:
        self.chest = chest
        self.name = name
        #: What Redis calls this reader.
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def take(self, count: int) -> ClaimedEntries:
        """Entries that no reader of the group has got yet."""
        with self._client() as client:
            lost, entries, values = client.eval(
                _TAKE, 1, self.chest.stream, self.name, self.consumer, count, FIELD
            )
        return ClaimedEntries(list(zip(entries, map(_fields, values), strict=True)), int(lost))

    def claim(self, count: int, idle_ms: int) -> ClaimedEntries:
        """Entries of readers that have not been heard of for a while."""
        from redis.exceptions import ResponseError

        start, lost = _BEGIN, 0
        found: Sequence[tuple[bytes, Mapping[bytes, bytes]]] = []
        with self._client() as client:
            while not found:
                try:
                    start, found, deleted = client.xautoclaim(
                        self.chest.stream, self.name, self.consumer, idle_ms, start, count
                    )
                except ResponseError as error:
                    # Before the first record there is no stream, before the first look no group.
                    if str(error).startswith("NOGROUP"):
                        break
                    raise
                lost += len(deleted)
                if start == _BEGIN:
                    break
        return ClaimedEntries(found, lost)

    def acknowledge(self, entries: Sequence[bytes]) -> None:
        """They are done with."""
        with self._client() as client:
            client.xack(self.chest.stream, self.name, *entries)

    def hold(self, entries: Sequence[bytes]) -> None:
        """Let the others know that this reader lives and is still at them."""
        self._set_idle(entries, 0)

    def give_back(self, entries: Sequence[bytes]) -> None:
        """Let the others have them at once."""
        self._set_idle(entries, _AGES)

    def leave(self) -> None:
        """Be no reader of the group any more; nothing may be left that it was given."""
        with self._client() as client:
            client.xgroup_delconsumer(self.chest.stream, self.name, self.consumer)

    def tidy(self, idle_ms: int) -> None:
        """Forget readers that have nothing, and have not been heard of for so long."""
        with self._client() as client:
            client.eval(_TIDY, 1, self.chest.stream, self.name, idle_ms)

    def close(self) -> None:
        """Let go of the connection."""
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
        from redis.exceptions import RedisError

        try:
            yield self.chest.client()
        except RedisError as error:
            raise OSError(str(self.chest.to_delivery_error(error))) from None
        except DeliveryError as error:
            raise OSError(str(error)) from None


def _fields(value: bytes | Sequence[bytes]) -> dict[bytes, bytes]:
    if isinstance(value, bytes):
        return {FIELD: value}
    return dict(zip(value[::2], value[1::2], strict=True))

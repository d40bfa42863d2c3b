"""Records as InfluxDB's line protocol: one record, one point, one line.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/

How things are spelled:

- Numbers are floats, always: a field that is an integer once and a float later would be refused.
  Booleans are booleans, text is text, lists and dicts are text (their JSON); ``None`` is left out.
- A line break or another control character becomes its picture (``U+2400`` and on), in names, tags
  and text alike, so that one record is one line; a tab in text stays. A backslash in a name or tag,
  where the format cannot say it, becomes ``U+29F5``.
- A variable named like a tag or a field of ours (``status``, ``request_id``, ...), ``time``, or
  with a leading underscore (Flux keeps those) gets ``var_`` in front; a tag, ``tag_``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...record.encoding import SHARED, dumps, loads
from .line_templates import LineShapes

FACTS = ("method", "route", "endpoint", "status")
_FIELDS = ("duration_ms", "request_id", "error", "sample_rate")

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_IN_NAMES = _PICTURES | {ord("\\"): "\u29f5"}
_ESCAPES = {ord(","): "\\,", ord("="): "\\=", ord(" "): "\\ "}
_IN_TEXT = {code: picture for code, picture in _PICTURES.items() if code != ord("\t")}
_IN_TEXT |= {ord('"'): '\\"', ord("\\"): "\\\\"}

# Names are few; a view that makes them up without end must not fill the memory.
_MOST_NAMES = 10_000
# The points that are remembered twice over: more than a batch and its halves.
_RECENT = 8192

#: Influx' word for the type of a field as this encoder writes it.
_TYPES: dict[type, str] = {int: "float", float: "float", bool: "boolean"}


class LineEncoder:
    """Encodes records for one measurement, remembering what it needs for the next.

    :param measurement: the measurement of all points.
    :param custom_tags: tags of all points.
    """

    def __init__(self, measurement: str, custom_tags: Mapping[str, Any]) -> None:
        self._measurement = _escape(measurement)
        self._custom_tags = dict(custom_tags)
        self._moved: set[tuple[str, str]] = set()
        self._tags: Mapping[str, Any] = {}
        self._recent: dict[int, bytes] = {}
        self._before: dict[int, bytes] = {}
        self._forget()

    def encode(self, lines: Sequence[bytes]) -> list[bytes]:
        """The lines of encoded records, without newlines."""
        encoded = []
        known, moment_of = self._shapes.by_end, self._moment
        for line in lines:
            at = line.rfind(SHARED)
            for match, template in known.get(line[at:], ()):
                # The end of the line is the same, byte for byte.
                found = match(line, 0, at)
                if found is not None:
                    groups = found.groups()
                    moment = moment_of(groups[0], int(groups[1]))
                    encoded.append(template % (*groups[4:], groups[3], groups[2], moment))
                    break
            else:
                encoded.append(self._encode_decoded(line))
                known = self._shapes.by_end
        return encoded

    def _encode_decoded(self, line: bytes) -> bytes:
        record = loads(line)
        if record["tags"] != self._tags:
            self._tags = record["tags"]
            self._forget()
        facts = tuple(record[name] for name in FACTS)
        series = self._series.get(facts) or self._new_series(facts)
        moment = self._moment(record["id"].encode(), record["time"])
        fields = self._fields(record["vars"])
        self._shapes.learn(line, record, series, [*fields])
        text = "".join(fields.values())
        return f"{series} {text}{_facts(record)} {moment}".encode()

    def move(self, field: str, kind: str) -> bool:
        """From now on write such values of a field beside it: ``total`` as ``total_string``.

        :param field: the field's name, as the server says it.
        :param kind: ``"float"``, ``"string"`` or ``"boolean"``.
        :returns: whether that is news.
        """
        if (field, kind) in self._moved:
            return False
        self._moved.add((field, kind))
        self._forget()
        return True

    def _forget(self) -> None:
        self._series: dict[tuple[Any, ...], str] = {}
        self._shapes = LineShapes()
        self._reserved = {*FACTS, *_FIELDS, *self._custom_tags, *self._tags, "time"}

    def _new_series(self, facts: tuple[Any, ...]) -> str:
        if len(self._series) > _MOST_NAMES:
            self._series.clear()
        tags = {**self._custom_tags, **self._tags, **dict(zip(FACTS, facts, strict=True))}
        pairs = [(_tag_name(name), _tag(tags[name])) for name in sorted(tags)]
        # An empty tag is none: the format has no spelling for it.
        made = ",".join([self._measurement, *(f"{name}={tag}" for name, tag in pairs if tag)])
        self._series[facts] = made
        return made

    def _fields(self, variables: Mapping[str, Any]) -> dict[str, str]:
        """The fields of variables, by their spelled and escaped names."""
        fields: dict[str, str] = {}
        for name, value in variables.items():
            if value is None:
                continue
            plain = self._spell(name)
            if (plain, kind := _TYPES.get(type(value), "string")) in self._moved:
                plain = f"{plain}_{kind}"
            key = plain.translate(_ESCAPES)
            while key in fields:
                key += "_"
            fields[key] = f"{key}={_field(value)},"
        return fields

    def _spell(self, name: str) -> str:
        plain = name.translate(_IN_NAMES)
        if not name or name in self._reserved or name.startswith("_"):
            return f"var_{plain}"
        return plain

    def _moment(self, identity: bytes, microseconds: int) -> int:
        """Nanoseconds since 1970 that no other point of this series has.

        Points of one series and one nanosecond overwrite each other. The last three digits are
        those of the record's id, which are a count within its process: a retry finds its own point
        again, whoever sends it, and two records of one process meet only if a thousand requests
        began in one microsecond. Records that this encoder sees meet all the same (it remembers
        the latest thousands) step aside. Against records that another process sends, a record's
        chance to meet one is their number per second in the same series times 1e-9.
        """
        moment = microseconds * 1000 + int(identity[-8:], 16) % 1000
        before, recent = self._before, self._recent
        while (before.get(moment) or recent.setdefault(moment, identity)) != identity:
            moment += 1
        if len(recent) >= _RECENT:
            self._before, self._recent = recent, {}
        return moment


def _facts(record: Mapping[str, Any]) -> str:
    fields = {name: record[name] for name in _FIELDS}
    if fields["sample_rate"] == 1:
        del fields["sample_rate"]
    return ",".join(f"{name}={_field(fields[name])}" for name in fields if fields[name] is not None)


def _text(value: str) -> str:
    return value.translate(_IN_TEXT)


def _escape(name: str) -> str:
    return name.translate(_IN_NAMES).translate(_ESCAPES)


def _field(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return f'"{_text(value if isinstance(value, str) else dumps(value).decode())}"'


def _tag_name(name: str) -> str:
    reserved = not name or name == "time" or name.startswith("_")
    return _escape(f"tag_{name}" if reserved else name)


def _tag(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _escape(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _escape(dumps(value).decode())

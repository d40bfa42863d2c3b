"""Encodes records in InfluxDB's line protocol: each record is one point and one line.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/

The rules of the encoding:

- Numbers are always floats, since the server refuses a field that is an integer first and a float
  later. Lists and dicts are text (their JSON); ``None`` is left out.
- Control characters, line breaks included, become symbols (``U+2400`` and following) in names, tags
  and text, so that one record is one line; tabs in text are kept. A backslash in a name or tag,
  which the format cannot represent, becomes ``U+29F5``.
- A variable gets ``var_`` in front of its name if a tag or a field of the record has that name
  (``status``, ``request_id``, ...), if the name is ``time``, or if it starts with an underscore
  (which Flux reserves). A tag gets ``tag_``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...record.json_line import SHARED, dumps, loads
from .line_templates import LineTemplates

FACTS = ("method", "route", "endpoint", "status")
_FIELDS = ("duration_ms", "request_id", "error", "sample_rate")

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_IN_NAMES = _PICTURES | {ord("\\"): "\u29f5"}
_ESCAPES = {ord(","): "\\,", ord("="): "\\=", ord(" "): "\\ "}
_IN_TEXT = {code: picture for code, picture in _PICTURES.items() if code != ord("\t")}
_IN_TEXT |= {ord('"'): '\\"', ord("\\"): "\\\\"}

# Series that are remembered: an app with endless names must not fill the memory.
_MAX_SERIES = 10_000
# Points that are remembered, at most twice as many: more than a batch and its halves.
_MAX_RECENT = 8192

#: InfluxDB's name for the type of a field.
_TYPES: dict[type, str] = {int: "float", float: "float", bool: "boolean"}


class LineEncoder:
    """Encodes records for one measurement, with a cache of templates and series.

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
        self._clear_cache()

    def encode(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return the line of each encoded record, without newlines."""
        encoded = []
        known, moment_of = self._templates.by_suffix, self._moment
        for line in lines:
            at = line.rfind(SHARED)
            for match, template in known.get(line[at:], ()):
                # The suffix of the line is equal, so only its beginning is matched.
                found = match(line, 0, at)
                if found is not None:
                    groups = found.groups()
                    moment = moment_of(groups[0], int(groups[1]))
                    encoded.append(template % (*groups[4:], groups[3], groups[2], moment))
                    break
            else:
                encoded.append(self._encode_decoded(line))
                known = self._templates.by_suffix
        return encoded

    def _encode_decoded(self, line: bytes) -> bytes:
        record = loads(line)
        if record["tags"] != self._tags:
            self._tags = record["tags"]
            self._clear_cache()
        facts = tuple(record[name] for name in FACTS)
        series = self._series.get(facts) or self._new_series(facts)
        moment = self._moment(record["id"].encode(), record["time"])
        fields = self._fields(record["vars"])
        self._templates.learn(line, record, series, [*fields])
        text = "".join(fields.values())
        return f"{series} {text}{_facts(record)} {moment}".encode()

    def move(self, field: str, kind: str) -> bool:
        """Write values of one type to a second field from now on: ``total_string`` for ``total``.

        :param field: the name of the field in the server's response.
        :param kind: ``"float"``, ``"string"`` or ``"boolean"``.
        :returns: ``False`` if such values were moved before.
        """
        if (field, kind) in self._moved:
            return False
        self._moved.add((field, kind))
        self._clear_cache()
        return True

    def _clear_cache(self) -> None:
        self._series: dict[tuple[Any, ...], str] = {}
        self._templates = LineTemplates()
        self._reserved = {*FACTS, *_FIELDS, *self._custom_tags, *self._tags, "time"}

    def _new_series(self, facts: tuple[Any, ...]) -> str:
        if len(self._series) > _MAX_SERIES:
            self._series.clear()
        tags = {**self._custom_tags, **self._tags, **dict(zip(FACTS, facts, strict=True))}
        pairs = [(_tag_name(name), _tag(tags[name])) for name in sorted(tags)]
        # The format cannot represent an empty tag.
        made = ",".join([self._measurement, *(f"{name}={tag}" for name, tag in pairs if tag)])
        self._series[facts] = made
        return made

    def _fields(self, variables: Mapping[str, Any]) -> dict[str, str]:
        """The fields of variables, by their encoded names."""
        fields: dict[str, str] = {}
        for name, value in variables.items():
            if value is None:
                continue
            plain = self._encode_name(name)
            if (plain, kind := _TYPES.get(type(value), "string")) in self._moved:
                plain = f"{plain}_{kind}"
            key = plain.translate(_ESCAPES)
            while key in fields:
                key += "_"
            fields[key] = f"{key}={_field(value)},"
        return fields

    def _encode_name(self, name: str) -> str:
        plain = name.translate(_IN_NAMES)
        if not name or name in self._reserved or name.startswith("_"):
            return f"var_{plain}"
        return plain

    def _moment(self, identity: bytes, microseconds: int) -> int:
        """Return a time that no other point of this series has: nanoseconds since 1970.

        Points of one series with the same nanosecond overwrite each other. So the last three digits
        are taken from the record's id, which ends in a counter of its process. A retry gets the
        same time again, in any process, and two records of one process collide only if a thousand
        requests began in one microsecond. If records that this encoder remembers collide, it adds a
        nanosecond. The probability that a record collides with one from another process is the
        number of such records per second in the same series times 1e-9.
        """
        moment = microseconds * 1000 + int(identity[-8:], 16) % 1000
        before, recent = self._before, self._recent
        while (before.get(moment) or recent.setdefault(moment, identity)) != identity:
            moment += 1
        if len(recent) >= _MAX_RECENT:
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

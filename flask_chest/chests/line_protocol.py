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

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..encoding import dumps

FACTS = ("method", "route", "endpoint", "status")
_FIELDS = ("duration_ms", "request_id", "error", "sample_rate")

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_IN_NAMES = _PICTURES | {ord("\\"): "\u29f5"}
_ESCAPES = {ord(","): "\\,", ord("="): "\\=", ord(" "): "\\ "}
_IN_TEXT = {code: picture for code, picture in _PICTURES.items() if code != ord("\t")}
_IN_TEXT |= {ord('"'): '\\"', ord("\\"): "\\\\"}
_NEEDS_CARE = re.compile(r'[\x00-\x08\x0a-\x1f\x7f"\\]')

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
        self._recent: dict[tuple[str, int], str] = {}
        self._before: dict[tuple[str, int], str] = {}
        self._forget()

    def encode(self, record: Mapping[str, Any]) -> str:
        """The line of a decoded record, without its newline."""
        if record["tags"] != self._tags:
            self._tags = record["tags"]
            self._forget()
        series = self._series_of(record)
        fields = self._variables(record["vars"])
        duration = record["duration_ms"]
        if duration is not None:
            fields.append(f"duration_ms={duration!r}")
        fields.append(f'request_id="{_text(record["request_id"])}"')
        if record["error"] is not None:
            fields.append(f'error="{_text(record["error"])}"')
        if record["sample_rate"] < 1:
            fields.append(f"sample_rate={record['sample_rate']!r}")
        moment = self._moment(series, record["id"], record["time"])
        return f"{series} {','.join(fields)} {moment}"

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
        self._keys: dict[str, str] = {}
        self._reserved = {*FACTS, *_FIELDS, *self._custom_tags, *self._tags, "time"}

    def _series_of(self, record: Mapping[str, Any]) -> str:
        facts = (record["method"], record["route"], record["endpoint"], record["status"])
        found = self._series.get(facts)
        if found is None:
            if len(self._series) > _MOST_NAMES:
                self._series.clear()
            tags = {**self._custom_tags, **self._tags, **dict(zip(FACTS, facts, strict=True))}
            pairs = [f"{_tag_name(name)}={_tag(tags[name])}" for name in sorted(tags)]
            # An empty tag is none: the format has no spelling for it.
            pairs = [pair for pair in pairs if not pair.endswith("=") or pair.endswith("\\=")]
            found = self._series[facts] = ",".join([self._measurement, *pairs])
        return found

    def _variables(self, variables: Mapping[str, Any]) -> list[str]:
        if self._moved or not self._keys.keys() >= variables.keys():
            return self._carefully(variables)
        fields = []
        for name, value in variables.items():
            kind = type(value)
            if kind is str:
                fields.append(f'{self._keys[name]}="{_text(value)}"')
            elif kind is bool:
                fields.append(f"{self._keys[name]}={'true' if value else 'false'}")
            elif kind is int or kind is float:
                fields.append(f"{self._keys[name]}={value!r}")
            elif value is not None:
                fields.append(f'{self._keys[name]}="{_text(dumps(value).decode())}"')
        return fields

    def _carefully(self, variables: Mapping[str, Any]) -> list[str]:
        """The same for names that are new, or spelled otherwise, or whose values change type."""
        fields = {}
        for name, value in variables.items():
            if value is None:
                continue
            plain = self._spell(name)
            if (plain, kind := _TYPES.get(type(value), "string")) in self._moved:
                plain = f"{plain}_{kind}"
            while plain in fields:
                plain += "_"
            fields[plain] = f"{plain.translate(_ESCAPES)}={_field(value)}"
        return list(fields.values())

    def _spell(self, name: str) -> str:
        plain = name.translate(_IN_NAMES)
        if not name or name in self._reserved or name.startswith("_"):
            return f"var_{plain}"
        # Only a name that no other one can be mistaken for takes the short way from now on.
        if plain == name and not name.startswith("var_") and not name.endswith("_"):
            if len(self._keys) > _MOST_NAMES:
                self._keys.clear()
            self._keys[name] = plain.translate(_ESCAPES)
        return plain

    def _moment(self, series: str, identity: str, microseconds: int) -> int:
        """Nanoseconds since 1970 that no other point of this series has.

        Points of one series and one nanosecond overwrite each other. The last three digits come
        from the record's id, so a retry finds its own point again, whoever sends it. Records of
        this process that meet there all the same (it remembers the latest thousands) step aside.
        Against other processes there remain three digits in the same microsecond: the chance that
        a record meets one of theirs is their requests per second in the same series times 1e-9.
        """
        moment = microseconds * 1000 + int(identity[-6:], 16) % 1000
        while (holder := self._holder(series, moment)) not in (None, identity):
            moment += 1
        if holder is None:
            if len(self._recent) >= _RECENT:
                self._before, self._recent = self._recent, {}
            self._recent[series, moment] = identity
        return moment

    def _holder(self, series: str, moment: int) -> str | None:
        key = (series, moment)
        return self._recent.get(key) or self._before.get(key)


def join_lines(lines: Iterable[str]) -> bytes:
    """Lines as the body of a request."""
    return "\n".join(lines).encode()


def _text(value: str) -> str:
    return value.translate(_IN_TEXT) if _NEEDS_CARE.search(value) else value


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

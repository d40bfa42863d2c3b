"""Builds the recorder of an app from its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from flask import Flask

from ..capture import kept_log_lines
from ..capture.detail_collector import DetailCollector
from ..capture.encoding_cache import EncodingCache
from ..capture.fact_collector import FactCollector
from ..capture.record_encoder import RecordEncoder
from ..capture.record_sink import RecordSink
from ..capture.request_recorder import Recorder
from ..config.plan_cache import PlanCache
from ..config.settings_validation import Settings
from ..measures import attach_measures
from ..typing import RequestIdGenerator


def build_recorder(
    app: Flask,
    settings: Settings,
    plans: PlanCache[EncodingCache],
    sink: RecordSink,
    request_id_generator: RequestIdGenerator | None,
) -> Recorder:
    """Return the recorder of an app.

    :param settings: the app's validated config.
    :param plans: what each route records.
    :param sink: takes the encoded records.
    :param request_id_generator: makes request ids.
    """
    encoder = RecordEncoder(settings.redact, settings.max_value_bytes, settings.max_record_bytes)
    return Recorder(
        app,
        plans=plans,
        encoder=encoder,
        sink=sink,
        tags=settings.tags,
        default_tags=_version_tag(app),
        facts=_build_facts(settings, encoder),
        details=_build_details(app, settings, encoder),
        slow_ms=settings.slow_ms,
        request_id_header=settings.request_id_header,
        request_id_generator=request_id_generator,
    )


def _build_facts(settings: Settings, encoder: RecordEncoder) -> FactCollector | None:
    if not settings.facts:
        return None
    is_sensitive = encoder.variables.redaction.is_sensitive
    return FactCollector(settings.facts, settings.query_names, is_sensitive)


def _build_details(app: Flask, settings: Settings, encoder: RecordEncoder) -> DetailCollector:
    return DetailCollector(
        errors=settings.errors,
        measured=settings.measure,
        log_level=settings.logs,
        redaction=encoder.variables.redaction,
        max_bytes=settings.max_value_bytes,
        package=app.import_name,
        root=app.root_path,
    )


def start_measuring(app: Flask, settings: Settings) -> None:
    """Attach to the libraries that the settings name. Nothing is attached by default."""
    attach_measures(settings.measure, app)
    if settings.logs is not None:
        kept_log_lines.install()


def _version_tag(app: Flask) -> Mapping[str, str]:
    """Return the tag ``version`` from Dockerflow's ``version.json``, if the file exists."""
    path = Path(app.root_path).parent / "version.json"
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"version": version} if isinstance(version, str) and version else {}

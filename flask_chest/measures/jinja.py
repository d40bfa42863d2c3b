"""Measures the rendering of templates by Flask's own signals."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from flask import Flask
from flask.signals import before_render_template, template_rendered

from ..capture.current_measurements import current_measurements


def attach(app: Flask) -> None:
    """Listen to the templates that an app renders."""
    before_render_template.connect(_before, app)
    template_rendered.connect(_after, app)


def _before(sender: Flask, template: Any, **_: Any) -> None:
    measurements = current_measurements("jinja")
    if measurements is not None:
        measurements.open_templates.append((template, perf_counter_ns()))


def _after(sender: Flask, template: Any, **_: Any) -> None:
    measurements = current_measurements("jinja")
    if measurements is None:
        return
    opened = measurements.open_templates
    # A template that raised has no end, and is still on top of the one around it.
    while opened:
        found, began = opened.pop()
        if found is template:
            # Within another template, its time is a part of the other's.
            spent = 0 if opened else perf_counter_ns() - began
            measurements.add("template", spent)
            return

"""Renders the dashboard's templates in an environment of their own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import current_app, request, url_for
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..query.fields import ROUTE, Field
from .csrf import form_value
from .template_filters import FILTERS

_FOLDER = Path(__file__).with_name("templates")


class Renderer:
    """Renders templates, whatever the app sets in its own Jinja environment.

    An app may switch autoescaping off or change the delimiters for its own templates. Recorded
    values would then become live HTML in the dashboard.

    :param can_log_out: whether pages have a button to log out.
    """

    def __init__(self, *, can_log_out: bool) -> None:
        self._can_log_out = can_log_out

    def render(self, page: str, **context: Any) -> str:
        """Render a page.

        :param page: the name of the template, without folder and ending.
        """
        template = _environment().get_template(f"flask_chest/{page}.html")
        return template.render(request=request, can_log_out=self._can_log_out, **context)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Return the environment of all apps in this process; it keeps compiled templates."""
    made = Environment(autoescape=True, loader=FileSystemLoader(_FOLDER), undefined=StrictUndefined)
    made.filters.update({f"chest_{name}": function for name, function in FILTERS.items()})
    made.globals.update(route_field=ROUTE, chest_field=Field)
    made.globals.update(url_for=url_for, form_value=form_value, app_csrf_field=_app_csrf_field)
    return made


def _app_csrf_field() -> tuple[str, str] | None:
    """Return name and value of the field that an extension requires in every form of the app.

    Flask-WTF, Flask-SeaSurf and Flask's own snippet offer the value to templates as
    ``csrf_token()``.
    """
    context: dict[str, Any] = {**current_app.jinja_env.globals}
    # Not update_template_context(), whose arguments differ between versions of Flask.
    for name in (None, *reversed(request.blueprints)):
        for processor in current_app.template_context_processors.get(name, ()):
            context.update(current_app.ensure_sync(processor)())
    make_token = context.get("csrf_token")
    if not callable(make_token):
        return None
    config = current_app.config
    name = config.get("WTF_CSRF_FIELD_NAME") or config.get("CSRF_COOKIE_NAME") or "_csrf_token"
    return name, make_token()

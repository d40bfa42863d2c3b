"""The error pages."""

from __future__ import annotations

from flask import Flask, g, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, show)
    app.register_error_handler(404, show_missing)
    app.register_error_handler(500, show_broken)


def show(error: HTTPException) -> tuple[str, int]:
    text = render_template("error.html", title=error.name, text=error.description)
    return text, error.code or 500


def show_missing(error: NotFound) -> tuple[str, int]:
    g.missing_path = request.path
    return render_template("error.html", title="Not here", text="Try the search."), 404


def show_broken(error: InternalServerError) -> tuple[str, int]:
    text = "It is our fault, and we know about it."
    return render_template("error.html", title="Something broke", text=text), 500

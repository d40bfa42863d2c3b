"""Login and logout. This example has forty customers with one password."""

from __future__ import annotations

import hmac

from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

PASSWORD = "open sesame"  # All customers share it; it is not a secret.
CUSTOMERS = {f"customer{number}@shop.test": number for number in range(2, 41)}
STAFF = {"staff@shop.test": 1}

bp = Blueprint("account", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    app.before_request(find_user)


def find_user() -> None:
    if "user_id" in session:
        g.user_id = session["user_id"]


@bp.get("/login")
def login_form() -> str:
    return render_template("login.html")


@bp.post("/login")
def login() -> Response:
    user_id = (CUSTOMERS | STAFF).get(request.form["email"])
    given = request.form["password"]
    if user_id is None or not hmac.compare_digest(given.encode(), PASSWORD.encode()):
        g.login = "refused"
        abort(401, "Wrong e-mail address or password.")
    g.login = "ok"
    g.user_id = session["user_id"] = user_id
    return redirect(url_for("account.profile"), 303)


@bp.get("/account")
def profile() -> str:
    if "user_id" not in g:
        abort(401, "Please log in.")
    return render_template("account.html", user_id=g.user_id)


@bp.post("/logout")
def logout() -> Response:
    session.clear()
    return redirect(url_for("catalogue.home"), 303)

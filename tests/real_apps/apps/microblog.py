"""A blog in the shape of the Flask Mega-Tutorial's: users, posts, forms, an API, error pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, flash, g, jsonify, redirect, request, url_for


def make_app(folder: Path, attach: Callable[[Flask], None]) -> Flask:
    from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
    from flask_sqlalchemy import SQLAlchemy
    from flask_wtf import FlaskForm
    from wtforms import StringField
    from wtforms.validators import DataRequired

    db: Any = SQLAlchemy()
    login = LoginManager()
    login.login_view = "auth.log_in"

    class User(UserMixin, db.Model):  # type: ignore[misc]
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(64), unique=True)

    class Post(db.Model):  # type: ignore[misc]
        id = db.Column(db.Integer, primary_key=True)
        body = db.Column(db.String(140))

    class PostForm(FlaskForm):  # type: ignore[misc]
        body = StringField(validators=[DataRequired()])

    @login.user_loader  # type: ignore[untyped-decorator]
    def load_user(identity: str) -> Any:
        return db.session.get(User, int(identity))

    auth = Blueprint("auth", __name__, url_prefix="/auth")
    main = Blueprint("main", __name__)

    @auth.route("/log-in", methods=["GET", "POST"])
    def log_in() -> Any:
        user = db.session.scalars(db.select(User).filter_by(name=request.values["name"])).first()
        if user is None:
            return "who?", 403
        login_user(user)
        flash("welcome")
        return redirect(url_for("main.index"))

    @main.before_app_request
    def remember() -> None:
        g.user = current_user
        g.locale = str(request.accept_languages.best_match(["en", "de"]))

    @main.route("/", methods=["GET", "POST"])
    @login_required  # type: ignore[untyped-decorator]
    def index() -> Any:
        form = PostForm(meta={"csrf": False})
        if form.validate_on_submit():
            db.session.add(Post(body=form.body.data))
            db.session.commit()
            return redirect(url_for("main.index"))
        posts = [post.body for post in db.session.scalars(db.select(Post))]
        return jsonify(user=g.user.name, locale=g.locale, posts=posts)

    @main.get("/export")
    def export() -> Response:
        def lines() -> Iterator[str]:
            for number in range(50):
                g.exported = number
                yield f"{number}\n"

        return Response(lines(), mimetype="text/plain")

    @main.get("/breaks")
    def breaks() -> Any:
        raise LookupError("missing")

    app = Flask("microblog", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="secret", SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'blog.db'}"
    )

    @app.errorhandler(500)
    def failed(_: Exception) -> Any:
        db.session.rollback()
        return "we have been told", 500

    attach(app)
    db.init_app(app)
    login.init_app(app)
    app.register_blueprint(auth)
    app.register_blueprint(main)
    with app.app_context():
        db.create_all()
        db.session.add(User(name="ann"))
        db.session.commit()
    return app

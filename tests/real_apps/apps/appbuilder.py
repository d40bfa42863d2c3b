"""Flask-AppBuilder's skeleton: an admin area with users, roles and one model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask


def make_app(folder: Path, attach: Callable[[Flask], None]) -> Flask:
    from flask_appbuilder import AppBuilder, Model, ModelView
    from flask_appbuilder.models.sqla.interface import SQLAInterface
    from flask_appbuilder.utils.legacy import get_sqla_class
    from sqlalchemy import Column, Integer, String

    class Contact(Model):  # type: ignore[misc]
        __tablename__ = "contact"
        id = Column(Integer, primary_key=True)
        name = Column(String(150), unique=True, nullable=False)

    class ContactView(ModelView):  # type: ignore[misc]
        datamodel = SQLAInterface(Contact)
        list_columns = ("name",)

    app = Flask("skeleton", root_path=str(folder))
    app.config.update(
        SECRET_KEY="secret",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'app.db'}",
        WTF_CSRF_ENABLED=False,
        FAB_ADD_SECURITY_VIEWS=True,
        FAB_API_SWAGGER_UI=True,
    )
    attach(app)
    db = get_sqla_class()(app)
    with app.app_context():
        builder = AppBuilder(app, db.session)
        builder.add_view(ContactView, "Contacts", category="Data")
        db.create_all()
        manager = builder.sm
        manager.add_user("ann", "Ann", "Lee", "ann@x.example", manager.find_role("Admin"), "pw")
    return app

"""The suites: where their sources are, what they need, and how they are run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """The test suite of one package.

    :param package: the package, whose source archive has the tests.
    :param extra: the extra of the package that the tests need.
    :param needs: further packages that the tests need.
    :param arguments: arguments of pytest, in the folder of the unpacked archive.
    :param excused: ends of the names of tests that cannot pass with a chest.
    """

    package: str
    extra: str = ""
    needs: Sequence[str] = ()
    arguments: Sequence[str] = ("tests",)
    excused: Sequence[str] = ()


SUITES = (
    # A wrapped wsgi_app refers to its app, so only the garbage collector frees the app.
    # Its tests import a private name of an older pytest.
    Suite("Flask", needs=["asgiref", "pytest<9"], excused=["test_app_freed_on_zero_refcount"]),
    Suite("Flask-HTTPAuth", needs=["asgiref", "flask[async]"]),
    Suite("flask-smorest", extra="[tests]"),
    Suite("ihatemoney", needs=["pytest-flask"], arguments=["ihatemoney/tests"]),
    Suite(
        "Flask-Security",
        needs=[
            *("argon2-cffi", "authlib", "bcrypt", "cryptography", "Flask-Babel", "Flask-Mail"),
            *("Flask-SQLAlchemy", "Flask-SQLAlchemy-Lite", "freezegun", "mongoengine", "mongomock"),
            *("nh3", "peewee", "phonenumberslite", "qrcode", "requests", "setuptools"),
            *("sqlalchemy<2.1", "sqlalchemy-utils", "webauthn", "zxcvbn"),
        ],
    ),
    Suite(
        "Flask-Admin",
        extra="[all]",
        needs=[
            *("azure-storage-blob", "beautifulsoup4", "botocore", "flask[async]", "moto"),
            "psycopg2-binary",
        ],
        # The others need MongoDB, PostgreSQL or Azure's storage, and wait for them for minutes.
        arguments=[
            "flask_admin/tests",
            "--ignore=flask_admin/tests/mongoengine",
            "--ignore=flask_admin/tests/pymongo",
            "--ignore=flask_admin/tests/geoa",
            "--ignore=flask_admin/tests/sqla/test_postgres.py",
            "--ignore=flask_admin/tests/fileadmin/test_fileadmin_azure.py",
        ],
    ),
)

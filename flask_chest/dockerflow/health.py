"""The ids of the built-in checks' messages, on which dashboards and silenced checks rely."""

from __future__ import annotations

# Shared by the Dockerflow libraries of all frameworks; only some of them occur in Flask apps.
INFO_CANT_CHECK_MIGRATIONS = "dockerflow.health.I001"
WARNING_UNAPPLIED_MIGRATION = "dockerflow.health.W001"
ERROR_CANNOT_CONNECT_DATABASE = "dockerflow.health.E001"
ERROR_UNUSABLE_DATABASE = "dockerflow.health.E002"
ERROR_MISCONFIGURED_DATABASE = "dockerflow.health.E003"
ERROR_CANNOT_CONNECT_REDIS = "dockerflow.health.E004"
ERROR_MISSING_REDIS_CLIENT = "dockerflow.health.E005"
ERROR_MISCONFIGURED_REDIS = "dockerflow.health.E006"
ERROR_REDIS_PING_FAILED = "dockerflow.health.E007"
ERROR_DB_API_EXCEPTION = "dockerflow.health.E008"
ERROR_SQLALCHEMY_EXCEPTION = "dockerflow.health.E009"
ERROR_REDIS_EXCEPTION = "dockerflow.health.E010"

# Messages about a check that failed to run.
CRITICAL_CHECK_RAISED = "flask_chest.health.C001"
CRITICAL_CHECK_TIMED_OUT = "flask_chest.health.C002"
CRITICAL_CHECK_RETURNED_NO_LIST = "flask_chest.health.C003"
CRITICAL_CHECK_NOT_STARTED = "flask_chest.health.C004"

# Messages about chests; a dot and the chest's name follow.
CHEST_UNREACHABLE = "flask_chest.health.unreachable"
CHEST_PENDING = "flask_chest.health.pending"
CHEST_LOST = "flask_chest.health.lost"

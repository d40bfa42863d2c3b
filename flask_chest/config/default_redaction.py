"""The names whose values are redacted unless ``CHEST_REDACT`` says otherwise."""

from __future__ import annotations

#: Names whose values are redacted. Elastic's default patterns come first:
#: https://www.elastic.co/guide/en/apm/agent/python/current/configuration.html#config-sanitize-field-names
#: Five of them match only the whole name. Sentry and Rails hide ``new_password`` and
#: ``client_secret`` as well. The last seven are what a privacy officer expects besides:
#: https://docs.sentry.io/security-legal-pii/scrubbing/server-side-scrubbing/
DEFAULT_REDACT = (
    "password",
    "passwd",
    "pwd",
    "secret",
    "*key",
    "*token*",
    "*session*",
    "*credit*",
    "*card*",
    "*auth*",
    "*principal*",
    "set-cookie",
    "*password*",
    "*passwd*",
    "*pwd*",
    "*secret*",
    "*cookie*",
    "*nonce*",
    "*credential*",
    "*passphrase*",
    "*jwt*",
    "*keys",
    "*_key_*",
)

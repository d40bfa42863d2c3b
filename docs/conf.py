"""Configuration of Sphinx; ``tox -e docs`` builds the documentation."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from flask_chest import __version__

project = "Flask-Chest"
author = "The Flask-Chest authors"
copyright = "the Flask-Chest authors"  # noqa: A001 - Sphinx requires this name
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest", "directives"]
exclude_patterns = ["_build"]
# Some quotation marks are part of code.
smartquotes = False
html_theme = "furo"
html_title = "Flask-Chest"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"

# Every referenced name of this package must be documented. Names of other packages are not
# resolved, because that needs their sites, and a build must not fail when one of them is down.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!flask_chest\b).*")]

"""How Sphinx builds the site: ``make docs``. Nothing is fetched from a network, neither here nor by the pages."""

import os
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent / "_ext"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
author = "the theory_sim authors"
copyright = f"2026 {author}, MIT licence"
release = version = PROJECT["version"]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "mathml",
    "pages",
    "docstrings",
]
exclude_patterns = ["_build", "_ext"]

html_theme = "furo"
html_title = "theory_sim"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False

default_role = "py:obj"
nitpicky = True
# A docstring's `name` may be an argument or a key; other packages' documentation is not linked, since a build fetches nothing.
# The sections of a configuration are tables of their own, and type variables have no entries.
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    (r"py:\w+", r"(?!theory_sim\.).*"),
    ("py:class", r"theory_sim\.config\..*Settings|theory_sim\..*\.(T|Settings|EngineClass|_distinct)"),
]
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # of data classes: their arguments

myst_enable_extensions = ["dollarmath", "deflist", "attrs_block"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("DOCS_NOTEBOOKS", "force")  # off: pages without what notebooks print
suppress_warnings = ["myst-nb.lexer"] if nb_execution_mode == "off" else []  # the kernel names the lexer
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_in_temp = True

"""What reStructuredText would misread in the docstrings and signatures of the package."""

import re
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_FUNCTION = re.compile(r"<(?:factory|(?:function|class) (?:[^<>]|<\w+>)*)>")
_ABSOLUTE = re.compile(r"\|([^\s|][^|]*)\|")
_LETTER = re.compile(r"^(\s*(?::\w+ \w+: )?)([A-Za-z])\.$")


def _signature(app: Sphinx, kind: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None) -> Any:
    """A default that is a function is shown as ``...``, since ``<factory>`` and ``<function f>`` cannot be parsed."""
    return (_FUNCTION.sub("...", signature), returned) if signature else None


def _docstring(app: Sphinx, kind: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """``P.`` alone is no numbered list, ``|b|`` no substitution; equations of a module, which are indented, keep their lines."""
    lines[:] = [_LETTER.sub(r"\1\2\\.", line) for line in lines]
    lines[:] = [line if line.startswith("    ") or "``" in line else _ABSOLUTE.sub(r"\\|\1\\|", line) for line in lines]
    if kind == "module":
        lines[:] = list(_with_equations(lines))


def _with_equations(lines: list[str]) -> Iterator[str]:
    """Indented paragraphs become literal blocks."""
    last, literal = "", -1  # the last line that is not blank; the indentation that a literal block is deeper than
    for line, before in zip(lines, ["", *lines], strict=False):
        indent = len(line) - len(line.lstrip())
        if line.strip():
            outer = len(last) - len(last.lstrip()) + 2 * last.lstrip().startswith("* ")
            if indent <= literal:
                literal = -1
            if literal < 0 and not before.strip() and last and indent > outer and not last.startswith(".."):
                if not last.endswith("::"):
                    yield from (" " * outer + "::", "")
                literal = outer
            last = line
        yield line


def setup(app: Sphinx) -> ExtensionMetadata:
    """After napoleon, which writes fields."""
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

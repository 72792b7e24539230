"""Pages whose text comes from elsewhere: files of the repository, the configuration's schema, the help of the commands.

A page names what it takes in a line of its own: ``@include(paper_figs/FINDINGS.md)``, ``@keys(theory_sim.config:Config)`` or
``@commands()``. Nothing is copied, so that nothing can differ from its source.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from posixpath import normpath, relpath
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).parents[2]
_DIRECTIVE = re.compile(r"^@(include|keys|commands)\((.*)\)$", re.M)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
PAGES = {
    "README.md": "index.md",
    "paper_figs/README.md": "results/gallery.md",
    "paper_figs/FINDINGS.md": "results/findings.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "theory_sim/training/engines/lucky/lucky.md": "theory/theory_scale.md",
}
"""Files of the repository that are pages of the site."""


def included(name: str, page: str) -> str:
    """A Markdown file of the repository, its links and pictures as seen from a page of the site.

    Args:
        name: the file's path in the repository.
        page: the page's path in ``docs``.
    """

    def link(match: re.Match[str]) -> str:
        target = normpath(f"{Path(name).parent.as_posix()}/{match[1]}")
        of_site = PAGES.get(target, target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}")
        return f"]({relpath(of_site, Path(page).parent.as_posix())}{match[2] or ''})"

    return _LINK.sub(link, (ROOT / name).read_text(encoding="utf-8"))


def keys(model: str) -> str:
    """A table of the keys of some settings, as ``theory-sim config`` explains them.

    Args:
        model: the class, as ``module:name``.
    """
    from theory_sim.cli.keys import descriptions

    module, _, name = model.partition(":")
    lines = []
    section = None
    for each in descriptions(getattr(importlib.import_module(module), name)):
        above = each.key.rpartition(".")[0]
        if above != section:
            section = above
            lines += ["", f"**{above}**" if above else "**top level**", ""]
            lines += ["| key | symbol | default | meaning |", "|---|---|---|---|"]
        default = "required" if each.default is None and "null" not in each.allowed else _shown(each.default)
        meaning = re.sub(r" ?\[(paper|recalled|ours)\]", "", each.description)
        facts = [each.allowed, f"unit: {each.unit}" if each.unit not in ("", "count", "none") else "", each.source]
        cells = (f"`{each.key}`", each.symbol, default, f"{meaning} ({'; '.join(filter(None, facts))})")
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def commands() -> str:
    """The help of every command."""
    import typer

    from theory_sim.cli import app

    return "\n".join(_helps(typer.main.get_command(app), "theory-sim"))


def _helps(command: Any, name: str) -> Iterator[str]:
    context = command.context_class(command, info_name=name, terminal_width=110, max_content_width=110)
    yield f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"
    for key, each in getattr(command, "commands", {}).items():
        yield from _helps(each, f"{name} {key}")


def _shown(value: object) -> str:
    return "null" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    text = re.sub(r"``(.*?)``", r"`\1`", text)
    return re.sub(r"(\*|\||<)", r"\\\1", text) if "`" not in text else text.replace("|", "\\|")


def _filled(app: Sphinx, name: str, source: list[str]) -> None:
    page = app.env.doc2path(name, base=False)
    makers: dict[str, Callable[[str], str]] = {
        "include": lambda of: included(of, str(page)),
        "keys": keys,
        "commands": lambda _: commands(),
    }
    if str(page).endswith(".md"):
        source[0] = _DIRECTIVE.sub(lambda match: makers[match[1]](match[2]), source[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Fill pages when they are read."""
    app.connect("source-read", _filled)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

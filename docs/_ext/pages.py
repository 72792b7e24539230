"""Pages whose text comes from elsewhere: files of the repository, the configuration's schema, commands' help, the regime.

A page names what it takes in a line of its own: ``@keys(theory_sim.config:Config)``, ``@commands()``, ``@regime()``. A page
that is a whole file of the repository is a link to it, which a reader of the repository can follow, with the title "included".
Nothing is copied, so that nothing can differ from its source.
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
_DIRECTIVE = re.compile(r"^@(keys|commands|regime)\((.*)\)$", re.M)
_INCLUDED = re.compile(r"\[[^]]*\]\((\S+) \"included\"\)")
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
    return _linked((ROOT / name).read_text(encoding="utf-8"), name, page)


def _linked(text: str, name: str, page: str) -> str:
    """A text whose links lead to pages of the site where there are such.

    Args:
        text: of the file.
        name: the path in the repository that its links are relative to.
        page: the page that shows it, as a path in ``docs``.
    """

    def link(match: re.Match[str]) -> str:
        target = normpath(f"{Path(name).parent.as_posix()}/{match[1]}")
        of_site = PAGES.get(target, target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}")
        return f"]({relpath(of_site, Path(page).parent.as_posix())}{match[2] or ''})"

    return _LINK.sub(link, text)


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


def regime() -> str:
    """A table of the theory's assumptions at the default configuration."""
    from theory_sim.config import Config
    from theory_sim.theories.theory import check_regime

    lines = [line.row() for line in check_regime(Config())]
    head = ["assumption", "value", "theory's range", "source", "place"]
    rows = [head, ["---"] * len(head), *(list(line.values()) for line in lines)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)


def _shown(value: object) -> str:
    return "null" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    text = re.sub(r"``(.*?)``", r"`\1`", text)
    return re.sub(r"(\*|\||<)", r"\\\1", text) if "`" not in text else text.replace("|", "\\|")


def _filled(app: Sphinx, name: str, source: list[str]) -> None:
    page = str(app.env.doc2path(name, base=False))
    makers: dict[str, Callable[[str], str]] = {"keys": keys, "commands": lambda _: commands(), "regime": lambda _: regime()}
    if whole := _INCLUDED.fullmatch(source[0].strip()):
        source[0] = included(normpath(f"{Path('docs', page).parent.as_posix()}/{whole[1]}"), page)
    elif page.endswith(".md"):
        own = _linked(source[0], f"docs/{page}", page)
        source[0] = _DIRECTIVE.sub(lambda match: makers[match[1]](match[2]), own)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Fill pages when they are read."""
    app.connect("source-read", _filled)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

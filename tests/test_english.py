"""Prose, docstrings, messages and captions are plain technical English: no phrase of those that CONTRIBUTING warns of."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PHRASES = re.compile(
    r"\bwhoever\b|\bfor sure\b|\b(?:is|are) told\b|\bstands?\b(?!-in)|\blies\b|\bhangs? on\b|\bof no account\b"
    r"|\bwhat (?:\w+ ){1,4}holds\b(?!,)",
    re.I,
)
FOLDERS = ("theory_sim", "figures", "docs", "configs", "paper_figs")
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md")]
PAGES += [path for folder in FOLDERS for end in ("md", "rst", "yaml", "j2") for path in (ROOT / folder).rglob(f"*.{end}")]
MODULES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts(path: Path) -> str:
    """What people read: all of a page, the comments and strings of a module."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    return "\n".join(token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type in kinds)


@pytest.mark.parametrize("folder", ["README and changelog", *FOLDERS])
def test_no_phrase_is_left(folder):
    chosen = [path for path in [*PAGES, *MODULES] if name_of(path).startswith(folder) or (" " in folder and path.parent == ROOT)]
    chosen = [path for path in chosen if "_build" not in path.parts]
    found = [f"{name_of(path)}: {hit[0]}" for path in chosen for hit in PHRASES.finditer(texts(path))]
    assert found == []
    assert folder == "figures" or chosen


def test_the_search_finds_them():
    for text in ("What the patch holds", "a bound stands there", "it lies in the folder", "no label function lowers it for sure"):
        assert PHRASES.search(text)
    assert not PHRASES.search("A claim holds; it is understood, and standard.")

"""Files are read and written as UTF-8 wherever the program runs: an encoding is named at every text file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted({*(ROOT / "theory_sim").rglob("*.py"), *(ROOT / "figures").rglob("*.py")})


def unnamed(tree: ast.AST) -> list[int]:
    """The lines that open a text file in the locale's encoding. ruff's PLW1514 sees only those whose type it can tell."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        is_open = name == "open" and not isinstance(function, ast.Attribute) and "b" not in "".join(texts[-1:])
        if is_open or (name in ("read_text", "write_text") and isinstance(function, ast.Attribute)):
            found.append(node.lineno)
    return found


def test_the_search_sees_calls_without_an_encoding() -> None:
    text = "open(x)\nopen(x, 'a')\npath.read_text()\npath.write_text(t)\nopen(x, 'rb')\npath.read_text(encoding='ascii')\n"
    assert unnamed(ast.parse(text)) == [1, 2, 3, 4]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_text_file_has_an_encoding(file: Path) -> None:
    assert unnamed(ast.parse(file.read_text(encoding="utf-8"))) == []

"""Values are not changed once they are made: every dataclass of the package is frozen."""

import ast
from pathlib import Path

import pytest

import theory_sim

ROOT = Path(theory_sim.__file__).parent
FILLED = {"training/engines/lucky/candidates.py"}
"""A loop fills these."""


PATHS = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}


@pytest.mark.parametrize("name", sorted(PATHS.keys() - FILLED))
def test_every_dataclass_is_frozen(name):
    for node in ast.walk(ast.parse(PATHS[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            for made in node.decorator_list:
                if "dataclass" in ast.unparse(made).split("(")[0]:
                    assert isinstance(made, ast.Call), f"{node.name} can be changed"
                    assert "frozen=True" in ast.unparse(made), f"{node.name} can be changed"

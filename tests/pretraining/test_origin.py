"""A study's hash covers all code that its numbers come from."""

import subprocess
import sys
from pathlib import Path

import pytest

import theory_sim
from theory_sim.pretraining import origin
from theory_sim.runtime import provenance

PACKAGE = Path(theory_sim.__file__).parent
NO_NUMBERS = {"__init__.py"}
"""The package's own front, which passes names on."""
STUDY = """
import sys
from pathlib import Path
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.study import run_study

before = set(sys.modules)
study = load_study(None, [
    "seeds=1", "labels.functions=[level(1), cluster(2)]", "model.width=4", "pretraining={steps: 2, batch: 8}",
    "transfer={modes: [finetune, none], steps: [1], training: {batch: 8}}",
])
run_study(study, sys.argv[1])
print("\\n".join(m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "theory_sim" and getattr(m, "__file__", None)))
"""


def test_every_module_of_a_study_is_covered(tmp_path):
    done = subprocess.run([sys.executable, "-c", STUDY, str(tmp_path)], capture_output=True, text=True, check=True)
    files = {Path(line).relative_to(PACKAGE).as_posix() for line in done.stdout.splitlines()}
    assert {"pretraining/cells.py", "pretraining/datasets/digits.py", "labels/functions.py", "stats/errors.py"} <= files
    uncovered = {file for file in files - NO_NUMBERS if not file.startswith(origin.MAKES_NUMBERS)}
    assert uncovered == set()


@pytest.mark.parametrize(
    "file",
    [
        "pretraining/datasets/digits.py",
        "pretraining/training/run.py",
        "labels/new.py",
        "pretraining/data/imagenet21k_edges.txt.gz",
    ],
)
def test_a_changed_module_changes_the_version(file, tmp_path, monkeypatch):
    for name in origin.MAKES_NUMBERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        source = PACKAGE / name
        if source.is_dir():
            for path in source.rglob("*.py"):
                copy = tmp_path / path.relative_to(PACKAGE)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        else:
            (tmp_path / name).write_bytes(source.read_bytes())
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    before = provenance.files_digest(*origin.MAKES_NUMBERS)
    with (tmp_path / file).open("ab") as changed:
        changed.write(b"\n")
    assert provenance.files_digest(*origin.MAKES_NUMBERS) != before

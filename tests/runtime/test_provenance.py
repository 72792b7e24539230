"""What the hash of a run covers: every module of the package that a run imports."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from theory_sim.runtime import provenance
from theory_sim.runtime.provenance import PACKAGE, RUN, code_version, covered, files_digest

PROGRAM = """
import json, sys
import theory_sim as ts

config = ts.Config().replace({"replicas": 1, "tree.subclasses": 2, "data.dim": 16, "data.patches": 10, "data.feature_patches": 2,
    "network.neurons": 2, "training.batch": 4, "training.steps": 2, "transfer.samples": 20, "transfer.steps": 2,
    "transfer.readouts": list(ts.READOUTS), "test.samples": 10, "test.curve_samples": 5})
results = ts.run(config, sys.argv[1], "cpu")
ts.evaluate_on(results, config.replace({"hard.noise": 0}), "cpu")
files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
print(json.dumps({name: file for name, file in files.items() if name.split(".")[0] == "theory_sim" and file}))
"""
PUBLIC_NAMES = "theory_sim"
"""Its ``__init__`` lists public names and defines nothing, so that no number depends on it."""


def test_every_module_that_a_run_imports_is_covered(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    imported = {name: Path(file) for name, file in json.loads(done.stdout.splitlines()[-1]).items()}
    assert {"theory_sim.runs.run", "theory_sim.training.engines.dense", "theory_sim.data.sampler"} <= imported.keys()
    assert [name for name, file in imported.items() if not covered(file)] == [PUBLIC_NAMES]


@pytest.mark.parametrize("part", RUN)
def test_a_change_anywhere_in_what_is_covered_is_another_version(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(PACKAGE, tmp_path / "theory_sim", ignore=shutil.ignore_patterns("__pycache__")))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    seen = {files_digest(*RUN)}
    path = copy / part
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files
    for file in files:
        file.write_text(file.read_text() + "\n# A change.\n")
        seen.add(files_digest(*RUN))
    if path.is_dir():
        (path / "added.py").touch()
        seen.add(files_digest(*RUN))
    assert len(seen) == 1 + len(files) + path.is_dir()


@pytest.mark.parametrize("other", ["cli", "figures", "studies", "stats", "theories/claims.py", "__init__.py", "pretraining"])
def test_a_change_elsewhere_is_not(other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(PACKAGE, tmp_path / "theory_sim", ignore=shutil.ignore_patterns("__pycache__")))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    before = files_digest(*RUN)
    for file in [*(copy / other).rglob("*.py"), copy / other]:
        if file.is_file():
            file.write_text(file.read_text() + "\n# A change.\n")
    assert files_digest(*RUN) == before


def test_the_version_names_the_package_and_the_digest() -> None:
    assert code_version() == f"{provenance.package_version()}+{files_digest(*RUN)}"

"""An edited plugin is another run; a comment elsewhere is not; what cannot be read is run and not cached."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.runtime.sources import source_digest
from theory_sim.studies.sweep import sweep

LABELS = """
import torch
import theory_sim as ts
import beside


def half(place):
    return place % 2


def unrelated(place):
    return place


@ts.register_label_function("mine")
def mine(tree, context):
    return ts.by_leaf("mine", tree, 2 * tree.coarse_of_leaf + half(ts.place_of(tree)) + beside.shift(tree))
"""
BESIDE = """
def shift(tree):
    return 0
"""
TINY = """
name: tiny
replicas: 1
plugins: [labels.py]
tree: {subclasses: 3}
labels: {fine: mine}
data: {dim: 16, patches: 10, feature_patches: 2}
network: {neurons: 2}
training: {batch: 4, steps: 2}
transfer: {readouts: [sum_logits]}
test: {samples: 10, curve_samples: 5}
record: {points: 2}
"""
EDITS = {
    "the function": ("labels.py", "2 * tree", "3 * tree", True),
    "a helper": ("labels.py", "place % 2", "place % 3", True),
    "a module beside it": ("beside.py", "return 0", "return 1", True),
    "a comment in another function": ("labels.py", "    return place\n", "    # A comment.\n    return place\n", False),
    "another function": ("labels.py", "    return place\n", "    return -place\n", False),
    "a comment in another file": ("other.py", "", "# A comment.\n", False),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a configuration, its plugin, a module beside it and another one."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in {"labels.py": LABELS, "beside.py": BESIDE, "other.py": "", "tiny.yaml": TINY}.items():
        (tmp_path / name).write_text(text)
    yield tmp_path
    ts.LABEL_FUNCTIONS.remove("mine")
    sys.modules.pop("beside", None)


def edit(project: Path, kind: str) -> bool:
    """Make an edit; returns whether it changes what a run is made of."""
    name, old, new, counts = EDITS[kind]
    text = (project / name).read_text()
    assert old in text
    (project / name).write_text(text.replace(old, new) if old else new)
    return counts


def run_here(project: Path) -> ts.Results:
    return ts.run(ts.load_config(project / "tiny.yaml"), project / "results", "cpu")


@pytest.mark.parametrize("kind", EDITS)
def test_in_one_process(kind: str, project: Path) -> None:
    before = run_here(project)
    counts = edit(project, kind)
    after = run_here(project)
    assert (after.folder != before.folder) == counts
    if kind in ("a helper", "the function"):
        assert before.fine.sizes["head"] == 4
        assert after.fine.sizes["head"] == {"a helper": 5, "the function": 4}[kind]
    assert not after.folder.name.endswith("not-cached")
    (project / EDITS[kind][0]).write_text({"labels.py": LABELS, "beside.py": BESIDE, "other.py": ""}[EDITS[kind][0]])
    assert run_here(project).folder == before.folder


def test_across_processes(project: Path) -> None:
    """A new process finds the folder that this one finds."""
    before = run_here(project).folder
    edit(project, "a comment in another function")
    edit(project, "a module beside it")
    program = "import sys, theory_sim as ts; print(ts.results_folder(ts.load_config(sys.argv[1]), sys.argv[2]))"
    command = [sys.executable, "-c", program, str(project / "tiny.yaml"), str(project / "results")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.strip() == str(run_here(project).folder) != str(before), done.stderr


def generated(text: str) -> str:
    """A file whose functions have no text."""
    return f"exec(compile({text!r}, '<generated>', 'exec'))\n"


def test_an_object_without_a_text_is_run_each_time(project: Path) -> None:
    (project / "labels.py").write_text(generated(LABELS))
    begun = []
    for _ in range(2):
        with pytest.warns(
            ts.NotCachedWarning, match="^the source of label function mine cannot be read: results are computed anew"
        ):
            results = ts.run(
                ts.load_config(project / "tiny.yaml"), project / "results", "cpu", on_progress=lambda p: begun.append(p.done)
            )
        assert results.folder.name.endswith("-not-cached")
    assert begun.count(1) == 2
    (project / "labels.py").write_text(generated(LABELS.replace("place % 2", "place % 3")))
    with pytest.warns(ts.NotCachedWarning):
        assert run_here(project).fine.sizes["head"] == 5


def test_a_sweep_says_so_once(project: Path) -> None:
    (project / "labels.py").write_text(generated(LABELS))
    for _ in range(2):
        with pytest.warns(ts.NotCachedWarning) as warned:
            done = sweep(ts.load_config(project / "tiny.yaml"), [{"seed": [0, 1]}], project / "results", "cpu", jobs=0)
        assert not done.failed
        assert len(warned) == 1


def test_the_command_line_says_so_in_one_line(project: Path) -> None:
    (project / "labels.py").write_text(generated(LABELS))
    command = [sys.executable, "-m", "theory_sim", "simulate", "tiny.yaml", "--device=cpu"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if not line.startswith(("training ", "testing "))]
    assert told == ["warning: the source of label function mine cannot be read: results are computed anew each time"]


RECORDS: dict[str, Callable[[ts.Training], float]] = {
    "readable": lambda training: training.steps_done,
    "hidden": eval("lambda training: training.steps_done"),
}


def test_a_recorded_lambda(project: Path) -> None:
    config = ts.load_config(project / "tiny.yaml")
    readable = ts.run(config, project / "results", "cpu", record={"steps": RECORDS["readable"]})
    assert not readable.folder.name.endswith("not-cached")
    with pytest.warns(ts.NotCachedWarning, match="the source of record steps cannot be read"):
        hidden = ts.run(config, project / "results", "cpu", record={"steps": RECORDS["hidden"]})
    assert hidden.fine.steps.values.tolist() == readable.fine.steps.values.tolist() == [[0, 1, 2]]


# Files that a plugin reads.

READS = """
import numpy as np
import torch
import theory_sim as ts

TABLE = ts.DataFile("table.txt")
{once}

@ts.register_label_function("mine")
def mine(tree, context):
    return ts.by_leaf("mine", tree, torch.from_numpy({values}))
"""


@pytest.mark.parametrize(
    ("once", "values"),
    [("", "np.loadtxt(TABLE, dtype=int)"), ("VALUES = np.loadtxt(TABLE, dtype=int)", "VALUES")],
    ids=["when called", "when imported"],
)
def test_a_file_that_is_read_counts(once: str, values: str, project: Path) -> None:
    """Its contents changed: another run, with the new contents. Before, the old result came back, or the old contents ran."""
    (project / "labels.py").write_text(READS.format(once=once, values=values))
    table = project / "table.txt"
    table.write_text("0 0 0 1 1 1")
    before = run_here(project)
    assert before.fine.sizes["head"] == 2
    table.write_text("0 1 2 3 4 5")
    after = run_here(project)
    assert (after.folder != before.folder, after.fine.sizes["head"]) == (True, 6)
    table.write_text("0 0 0 1 1 1")
    again = run_here(project)
    assert (again.folder, again.fine.sizes["head"]) == (before.folder, 2)


def test_the_place_of_a_file_does_not_count(tmp_path: Path) -> None:
    digests = []
    for folder, text in (("one", "1"), ("two", "1"), ("three", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.txt").write_text(text)
        digests.append(source_digest((test_the_place_of_a_file_does_not_count, ts.DataFile(tmp_path / folder / "data.txt"))))
    assert digests[0] == digests[1] != digests[2]
    assert None not in digests


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import theory_sim as ts\nts.DataFile('absent.csv')\n")
    with pytest.raises(ts.InputError, match=r"^plugin .*mine\.py: data file .*absent\.csv: No such file or directory$"):
        ts.load_config(plugins=[str(tmp_path / "mine.py")])

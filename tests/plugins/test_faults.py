"""Faults in a user's own code are one line, and a plugin may move without its results being lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.cli import main

TINY = ["replicas=1", "tree.subclasses=2", "data.dim=16", "network.neurons=3", "training.steps=2", "test.samples=5"]
LABELS = """
import torch
import theory_sim as ts


@ts.register_label_function("beyond")
def beyond(tree, context):
    return ts.LabelFunction("beyond", 2, torch.tensor([0, 1]), tree.coarse_of_leaf, lambda samples: samples.labelled_leaf)


@ts.register_label_function("halved")
def halved(tree, context):
    return ts.LabelFunction("halved", 2, torch.tensor([0, 1]), tree.coarse_of_leaf, lambda samples: samples.labelled_leaf / 2)


@ts.register_label_function("failing")
def failing(tree, context):
    return 1 / 0
"""


@pytest.fixture
def labels(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "labels.py"
    path.write_text(LABELS)
    yield path
    for name in ("beyond", "halved", "failing"):  # the next test's file registers them too
        ts.LABEL_FUNCTIONS.remove(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "beyond",
            r"labels\.fine: label function 'beyond' \(beyond in .*, line \d+\) gave the label [23]; it has 2 classes, from 0",
        ),
        (
            "halved",
            r"labels\.fine: label function 'halved' \(.*\): expected torch\.int64 of the shape \(1, \d+\); got torch\.float32",
        ),
    ],
)
def test_labels_that_are_none_are_refused_before_training(labels: Path, tmp_path: Path, name: str, message: str) -> None:
    config = ts.load_config(overrides=[*TINY, f"labels.fine={name}"], plugins=[str(labels)])
    with pytest.raises(ts.InputError, match=message):
        ts.run(config, tmp_path, "cpu")


def test_an_error_in_a_plugin_is_its_line(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["theory-sim", "verify", "--plugin", str(labels), "--set", "labels.fine=failing"])
    with pytest.raises(SystemExit) as ended:
        main()
    line = LABELS.splitlines().index("    return 1 / 0") + 1
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {labels}, line {line}: ZeroDivisionError: division by zero\n"


def test_a_moved_plugin_finds_its_results(tmp_path: Path) -> None:
    """The source counts, not the path: the run is loaded, although its configuration names a file that is gone."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    shutil.copy(Path(__file__).with_name("label_function.py"), first)
    settings = [*TINY, "labels.fine=odd-even"]
    made = ts.run(ts.load_config(overrides=settings, plugins=[str(first / "label_function.py")]), tmp_path / "out", "cpu")
    ts.LABEL_FUNCTIONS.remove("odd-even")
    first.rename(second)
    again = ts.run(ts.load_config(overrides=settings, plugins=[str(second / "label_function.py")]), tmp_path / "out", "cpu")
    assert again.folder == made.folder
    assert again.fine.equals(made.fine)

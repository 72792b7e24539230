"""Faults in a user's own code are one line, and a plugin may move without its results being lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.cli import main
from theory_sim.studies.sweep import sweep

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


@ts.register_label_function("refusing")
def refusing(tree, context):
    raise ValueError("no such labels")
"""


@pytest.fixture
def labels(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "labels.py"
    path.write_text(LABELS)
    yield path
    for name in ("beyond", "halved", "failing", "refusing"):  # the next test's file registers them too
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


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("failing", "    return 1 / 0", "{line}: ZeroDivisionError: division by zero"),
        ("refusing", '    raise ValueError("no such labels")', "labels.fine: {line}: ValueError: no such labels"),
    ],
)
def test_an_error_in_a_plugin_is_its_line(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, line: str, said: str
) -> None:
    """Pydantic, inside which configurations are checked, keeps nothing of a `ValueError` but its text."""
    monkeypatch.setattr("sys.argv", ["theory-sim", "verify", "--plugin", str(labels), "--set", f"labels.fine={name}"])
    with pytest.raises(SystemExit) as ended:
        main()
    number = LABELS.splitlines().index(line) + 1
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {said.format(line=f'{labels}, line {number}')}\n"


@pytest.mark.parametrize(("error", "said"), [("ValueError('no law')", "no law"), ("AssertionError('never')", "never")])
def test_an_error_in_a_law_is_its_line(tmp_path: Path, error: str, said: str) -> None:
    plugin = tmp_path / "law.py"
    plugin.write_text(
        f"import theory_sim as ts\n\ndef law(config):\n    raise {error}\n\nts.register_theory(ts.Theory('lawless', law))\n"
    )
    try:
        with pytest.raises(ts.InputError, match=rf"{plugin}, line 4: \w+: {said}"):
            ts.load_config(plugins=[str(plugin)], theory="lawless")
    finally:
        for registry in (ts.THEORIES, ts.SETUPS):
            registry.remove("lawless")


def test_a_plugin_named_as_a_module_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes once took it for Python's own, and died."""
    pytest.importorskip("loky")
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(__file__).with_name("label_function.py"), "signal.py")
    try:
        config = ts.load_config(overrides=[*TINY, "labels.fine=odd-even"], plugins=["signal.py"])
        assert not sweep(config, [{"seed": [0]}], "results", "cpu", jobs=1).failed
    finally:
        ts.LABEL_FUNCTIONS.remove("odd-even")  # the next test's file registers it too


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

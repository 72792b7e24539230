"""Results outlive the plugin that made them: they load without it, and a changed one is reported."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import theory_sim as ts
from theory_sim.config import stored_config

TINY = ["replicas=1", "tree.subclasses=2", "data.dim=16", "network.neurons=3", "training.steps=2", "test.samples=5"]
LABELS = """
import theory_sim as ts


@ts.register_label_function("mine")
def mine(tree, context):
    return ts.by_leaf("mine", tree, 2 * tree.coarse_of_leaf + ts.place_of(tree) % 2)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "labels.py"
    path.write_text(LABELS)
    yield path
    ts.LABEL_FUNCTIONS.remove("mine")


@pytest.fixture
def made(plugin: Path, tmp_path: Path) -> ts.Results:
    return ts.run(ts.load_config(overrides=[*TINY, "labels.fine=mine"], plugins=[str(plugin)]), tmp_path / "results", "cpu")


def test_results_load_without_their_plugin(made: ts.Results, plugin: Path) -> None:
    plugin.unlink()
    ts.LABEL_FUNCTIONS.remove("mine")
    loaded = ts.load_results(made.folder)
    assert loaded.config == made.config
    assert loaded.fine.equals(made.fine)
    assert len(loaded.errors()) == len(made.errors())
    assert loaded.network("fine")(torch.zeros(3, 5, 16)).shape == (3, 4)
    assert "mine" in repr(loaded)
    message = f"plugin {plugin}: No such file or directory"
    for needing in (ts.evaluate_claims, lambda results: ts.evaluate_on(results, results.config)):
        with pytest.raises(ts.InputError, match=message):
            needing(loaded)


def test_a_changed_plugin_is_reported(made: ts.Results, plugin: Path) -> None:
    plugin.write_text(LABELS.replace("ts.place_of(tree) % 2", "(1 - ts.place_of(tree) % 2)"))
    loaded = ts.load_results(made.folder)
    message = f"^{made.folder} was made with another version of label function mine: what follows mixes both$"
    with pytest.warns(ts.PluginWarning, match=message):
        ts.evaluate_claims(loaded)
    with pytest.warns(ts.PluginWarning, match=message):
        ts.evaluate_on(loaded, loaded.config.replace({"hard.noise": 1.0}))
    plugin.write_text(LABELS + "\n# A comment.\n")
    ts.evaluate_claims(loaded)  # would raise a warning


def test_a_stored_configuration_is_checked_all_the_same(made: ts.Results) -> None:
    """Without the theory's own checks, but for keys, types and ranges."""
    stored = made.folder / "config.yaml"
    text = stored.read_text()
    for old, new, message in (
        ("replicas: 1", "replicas: many", "replicas"),
        ("replicas: 1", "replcas: 1", "unknown key replcas"),
    ):
        stored.write_text(text.replace(old, new))
        with pytest.raises(ts.InputError, match="is not as it was written"):
            ts.load_results(made.folder)
        with pytest.raises(ts.InputError, match=message):
            stored_config(stored)

"""Objects that a session registers, in a notebook or a script: worker processes do not know them, and a sweep says so at once."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import theory_sim as ts
from theory_sim.runtime.registry import Registry
from theory_sim.studies.sweep import sweep

TINY = ts.Config().replace(
    {
        "name": "tiny",
        "replicas": 1,
        "tree.subclasses": 2,
        "data.dim": 16,
        "network.neurons": 3,
        "training.steps": 2,
        "training.batch": 4,
        "transfer.readouts": ["sum_logits"],
        "test.samples": 5,
    }
)


def labels() -> Any:
    return ts.register_label_function("of-session")(lambda tree, context: ts.by_leaf("of-session", tree, tree.coarse_of_leaf))


def readout() -> Any:
    return ts.register_readout("of-session")(lambda heads, parents: ts.choose(parents.sum(heads)))


def claim() -> Any:
    def estimate(results: ts.Results) -> ts.Estimate:
        return ts.mean(results.fine.final_loss.values.mean(1))

    return ts.register_claim(ts.Claim("of-session", "It is small.", "T", estimate, "≤", 9.0, theory="label-granularity"))


@pytest.mark.parametrize(
    ("register", "registry", "settings"),
    [
        (labels, ts.LABEL_FUNCTIONS, {"labels.fine": "of-session"}),
        (readout, ts.READOUTS, {"transfer.readouts": ["of-session"]}),
        (claim, ts.CLAIMS, {}),
    ],
    ids=["label function", "readout", "claim"],
)
def test_a_sweep_refuses_what_its_workers_do_not_know(
    register: Callable[[], Any], registry: Registry[Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    """Before, every cell failed after its worker had started, or a claim was missing in the tables without a word."""
    register()
    config = TINY.replace(settings)
    message = rf"^{registry.kind} 'of-session' \(.*test_sessions.*\): worker processes do not know what a session registers; "
    try:
        with pytest.raises(ts.InputError, match=message):
            sweep(config, [{"seed": [0]}], tmp_path, "cpu", jobs=1)
        with pytest.raises(ts.InputError, match=message):
            sweep(config, [{"seed": [0]}], tmp_path, "cpu", scheduler="tcp://127.0.0.1:1")
        done = sweep(config, [{"seed": [0]}], tmp_path, "cpu", jobs=0)
        assert not done.failed
        assert ("of-session" in set(done.read("cells").id)) == (registry is ts.CLAIMS)
    finally:
        registry.remove("of-session")


def test_a_module_that_is_named_under_plugins_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was imported before it was named."""
    (tmp_path / "of_a_module.py").write_text(
        "import theory_sim as ts\n\n@ts.register_label_function('of-module')\ndef of_module(tree, context):\n"
        "    return ts.by_leaf('of-module', tree, tree.coarse_of_leaf)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("of_a_module")

    config = TINY.replace({"labels.fine": "of-module"})
    try:
        with pytest.raises(ts.InputError, match=r"^label function 'of-module' \(of_module in .*\)"):
            sweep(config, [{"seed": [0]}], tmp_path, "cpu", jobs=1)
        assert not sweep(config.replace({"plugins": ["of_a_module"]}), [{"seed": [0]}], tmp_path, "cpu", jobs=1).failed
    finally:
        ts.LABEL_FUNCTIONS.remove("of-module")

"""What a plugin's functions give is compared with the contract before training: one line says which function gave what.

Each case is a plugin of its own. All are run in one other process, since pytest checks the types of arguments before the
package sees them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAD = """
import dataclasses
import numpy as np
import torch
import theory_sim as ts

TREE = ts.LabelTree.of(2, 2)
SMALL = {
    "training": {"steps": 2, "batch": 4, "step_size": {"only": 0.5}}, "data": {"dim": 16}, "test": {"samples": 5},
    "network": {"neurons": 3}, "replicas": 2, "labels": {"only": "level(1)"}, "transfer": {"readouts": ["sum_logits"]},
}


def theory(law, **more):
    ts.register_theory(ts.Theory(name="wrong", law=law, defaults=SMALL, **more))


def sampled(change):
    def sample(streams, samples, shares, dictionary):
        x = streams.normal(samples, 2, 16, dtype=dictionary.vectors.dtype)
        return change(ts.Batch.of(x, streams.integers(4, samples), TREE, streams))

    theory(ts.SampledLaw(TREE, ["one", "two"], sample))


def paper(**more):
    law = ts.THEORIES["label-granularity"].law
    small = {**SMALL, "tree": {"subclasses": 2}, "labels": {"only": "leaf"}}
    ts.register_theory(ts.Theory(name="wrong", law=law, defaults=small, **more))


class Law:
    def __init__(self, value):
        self.value = value

    def ppf(self, q):
        return self.value

    def cdf(self, x):
        return np.clip(x, 0, 1)

    def std(self):
        return 1.0


"""
READOUT, FITTED = "@ts.register_readout('wrong')\ndef wrong(heads, parents):\n    ", "@ts.register_fitted_readout('wrong')\n"
LABELS = "@ts.register_label_function('wrong')\ndef wrong(tree, context):\n    "
FUNCTION = "return ts.LabelFunction('wrong', 2, torch.tensor([0, 1]), tree.coarse_of_leaf, lambda samples: {})"
ENGINE = "class Wrong(ts.ENGINES['dense']):\n    def {0}:\n        return {1}\nts.register_engine('wrong')(Wrong)"
GROUP = "theory(ts.PatchLaw(TREE, 2, {noise}, {{'one': [ts.Group(ts.Node(1), 1, {strength})]}}))"
CLAIM = "paper(claims=[ts.Claim('wrong', 'It holds.', 'T', lambda results: {}, '≤', {})])"
REGIME = "paper(regime=lambda config: {})"
WHERE = r"\([\w.<>]+ in .*plugin\.py, line \d+\)"
THERE = r"\(\w+ in .*plugin\.py\)"
WRONG: dict[str, tuple[str, str, str]] = {
    # what uses it: the plugin and the message
    "readout: none": ("readout", READOUT + "pass", rf"readout 'wrong' {WHERE}: expected .*\(2, 64, 2\).*; got NoneType"),
    "readout: shape": ("readout", READOUT + "return heads[..., 0]", r".*; got torch\.float32 of the shape \(2, 64\)"),
    "readout: replicas": (
        "readout",
        READOUT + "return parents.sum(heads)[:1]",
        r".*; got torch\.float32 of the shape \(1, 64, 2\)",
    ),
    "readout: whole": (
        "readout",
        READOUT + "return parents.sum(heads).long()",
        r".*; got torch\.int64 of the shape \(2, 64, 2\)",
    ),
    "readout: array": ("readout", READOUT + "return parents.sum(heads).numpy()", r".*; got ndarray of float32 of .*"),
    "readout: NaN": (
        "readout",
        READOUT + "return parents.sum(heads) * np.nan",
        r".*: expected probabilities .*, got \[nan, nan\] for a.*",
    ),
    "readout: sums": ("readout", READOUT + "return parents.sum(heads) * 0 + 2", r".* sum to 1, got \[2.0, 2.0\] for a sample"),
    "readout: arguments": (
        "readout",
        "ts.register_readout('wrong')(lambda heads: heads)",
        r"plugin .*: readout 'wrong': expected a function \(heads, parents\), got <lambda> in .*, which takes \(heads\)",
    ),
    "fitted: none": (
        "readout",
        FITTED + "def wrong(training, model):\n    pass",
        rf"readout 'wrong' {WHERE}, what it gives: .* got NoneType",
    ),
    "fitted: shape": (
        "readout",
        FITTED + "def wrong(training, model):\n    return lambda batch, heads: heads[..., :1]",
        rf"readout 'wrong' {WHERE}: expected .*; got torch\.float32 of the shape \(2, 32, 1\)",
    ),
    "sample: none": ("theory", "sampled(lambda batch: None)", rf"sample {WHERE}: expected Batch, got NoneType"),
    "sample: number type": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, x=batch.x.double()))",
        rf"sample {WHERE}: x: expected torch\.float32 of the shape \(2, 32, \*, 16\); got torch\.float64 of .*",
    ),
    "sample: dimension": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, x=batch.x[..., 1:]))",
        r".*x: .*\(2, 32, 2, 15\)",
    ),
    "sample: no patches": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, x=batch.x[:, :, :0]))",
        r".*x: expected one patch or more.*",
    ),
    "sample: fewer": (
        "theory",
        "sampled(lambda batch: batch.slice(0, 4))",
        r".*x: expected .*\(2, 32, \*, 16\); got .*\(2, 4, 2, 16\)",
    ),
    "sample: of one number": (
        "theory",
        "sampled(lambda batch: ts.Batch.joined([batch] * 20).slice(0, 32))",  # as many as are looked at during training
        r".*x: expected .*\(2, 4, \*, 16\); got .*\(2, 32, 2, 16\)",
    ),
    "sample: content": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, content=batch.leaf))",
        r".*content: expected .*",
    ),
    "sample: kind": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, kind=batch.leaf * 0 + 2))",
        r".*kind: expected numbers from 0 to 1, got 2",
    ),
    "sample: leaf": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, leaf=batch.leaf - 9))",
        r".*leaf: expected numbers from 0 to 3, got -\d",
    ),
    "sample: NaN": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, x=batch.x * np.nan))",
        r".*x: expected finite numbers, got nan",
    ),
    "sample: device": (
        "theory",
        "sampled(lambda batch: dataclasses.replace(batch, tag=batch.tag.to('meta')))",
        r".*tag: .* on meta",
    ),
    "sample: Batch.of": (
        "theory",
        "theory(ts.SampledLaw(TREE, ['one'], lambda s, n, shares, d: ts.Batch.of(np.zeros((2, n, 1, 16)), None, TREE, s)))",
        rf"sample {WHERE}: Batch\.of: x: expected .*; got ndarray of float64 .*",
    ),
    "sample: arguments": (
        "theory",
        "theory(ts.SampledLaw(TREE, ['one'], lambda s: s))",
        r"plugin .*: SampledLaw: sample: expected a function .*",
    ),
    "law: none": (
        "theory",
        "theory(lambda config: None)",
        rf"theory wrong: its law {WHERE} should be a PatchLaw or a SampledLaw, got NoneType",
    ),
    "law: arguments": (
        "theory",
        "theory(lambda: 3)",
        r"plugin .*: theory wrong: law: expected a function \(config\), got <lambda> .*",
    ),
    "strength": (
        "theory",
        GROUP.format(noise="ts.Gaussian(0.1)", strength="Law(np.zeros(2))"),
        rf"plugin .*: Group: strength: ppf {THERE}: expected a number for each of 3, got ndarray of float64 of the shape \(2,\)",
    ),
    "strength: NaN": (
        "theory",
        GROUP.format(noise="ts.Gaussian(0.1)", strength="Law(np.full(3, np.nan))"),
        r".*values \[nan nan nan\]",
    ),
    "noise": (
        "theory",
        GROUP.format(noise="ts.Coordinates(Law('text'), 0.1)", strength="ts.Uniform(1, 1)"),
        rf"plugin .*: Coordinates: law: ppf {THERE}: expected a number for each of 3, got str",
    ),
    "labels: none": (
        "labels",
        LABELS + "pass",
        rf"labels\.fine: label function 'wrong' {WHERE}: expected LabelFunction, got NoneType",
    ),
    "labels: name": (
        "labels",
        LABELS + "return ts.by_leaf('other', tree, tree.coarse_of_leaf)",
        r".*its name should be the text .*'wrong', got 'other'",
    ),
    "labels: group": (
        "labels",
        LABELS + "return ts.by_leaf('wrong', tree, torch.zeros(4))",
        r".*by_leaf: wrong: group: .*; got torch\.float32 .*",
    ),
    "labels: parent": (
        "labels",
        LABELS + "return ts.LabelFunction('wrong', 2, [0, 1], tree.coarse_of_leaf, None)",
        r".*parent: .*; got list",
    ),
    "labels: assign": (
        "labels",
        LABELS + FUNCTION.format("samples.tag"),
        r".*: expected torch\.int64 of the shape \(2, 4\); got torch\.float32 .*",
    ),
    "labels: range": (
        "labels",
        LABELS + FUNCTION.format("samples.labelled_leaf * 0 + 2"),
        r".* gave the label 2; it has 2 classes, from 0",
    ),
    "labels: arguments": (
        "labels",
        "ts.register_label_function('wrong')(lambda: 3)",
        r"plugin .*should take the tree, the context and the .*",
    ),
    "engine: nothing": (
        "engine",
        "ts.register_engine('wrong')(Law)",
        r"plugin .*: engine 'wrong': Law in .*plugin\.py has no check, initial, .*",
    ),
    "engine: initial": (
        "engine",
        "class Wrong(ts.ENGINES['dense']):\n    initial = lambda *given: 3\nts.register_engine('wrong')(Wrong)",
        rf"engine 'wrong' {THERE}: initial: expected Engine, got int",
    ),
    "engine: step": (
        "engine",
        ENGINE.format("step(self, batch, labels)", "None"),
        rf"engine 'wrong' {THERE}: step: expected StepReport, got NoneType",
    ),
    "engine: loss": (
        "engine",
        ENGINE.format("step(self, batch, labels)", "ts.StepReport(torch.zeros(()), torch.zeros(2))"),
        r".*step: loss: .*\(2,\); got .*\(\)",
    ),
    "engine: activity": (
        "engine",
        ENGINE.format("activity(self, batch)", "batch.x"),
        rf"engine 'wrong' {THERE}: activity: expected .*",
    ),
    "engine: norm": (
        "engine",
        ENGINE.format("norm(self)", "torch.zeros(2)"),
        rf"engine 'wrong' {THERE}: norm: .*\(2, 2, 3\); got .*\(2,\)",
    ),
    "engine: state": ("engine", ENGINE.format("state(self)", "[]"), rf"engine 'wrong' {THERE}: state: expected dict, got list"),
    "claim": (
        "verify",
        CLAIM.format("0.5", "1"),
        rf"claim wrong: estimate {WHERE}: expected Estimate, such as ts\.mean\(\.\.\.\), got float",
    ),
    "claim: array": (
        "verify",
        CLAIM.format("ts.Estimate(np.ones(2), 0, 1, 'm')", "1"),
        rf"claim wrong: estimate {WHERE}: value: expected a number, got ndarray .*",
    ),
    "claim: bound": (
        "verify",
        CLAIM.format("ts.Estimate(1, 1, 1, 'm')", "lambda config: 'much'"),
        "claim wrong: bound: expected a number, got str",
    ),
    "regime": ("regime", REGIME.format("None"), rf"theory wrong: regime {WHERE}: expected Sequence of Assumption, got NoneType"),
    "regime: entry": (
        "regime",
        REGIME.format("[('a', 1)]"),
        rf"theory wrong: regime {WHERE}: an entry: expected Assumption, got tuple",
    ),
    "regime: value": (
        "regime",
        REGIME.format("[ts.Assumption('a', None, 0, 1, 'a', 'ours')]"),
        r".*regime .*: a: value: expected a number, got NoneType",
    ),
    "predict": (
        "predict",
        "paper(predict=lambda config, start: None)",
        rf"theory wrong: predict {WHERE}: expected Dataset, got NoneType",
    ),
}
PROGRAM = """
import json, sys
from pathlib import Path
import xarray as xr
import theory_sim as ts
from theory_sim.runtime import plugins

TINY = ["replicas=2", "tree.subclasses=2", "data.dim=16", "network.neurons=3", "training.steps=2", "training.batch=4",
        "test.samples=5", "transfer.readouts=[sum_logits]"]
USES = {"readout": ["transfer.readouts=[wrong]"], "labels": ["labels.fine=wrong"], "engine": ["training.engine=wrong"]}


def use(how, plugin):
    if how in USES:
        return ts.run(ts.load_config(overrides=[*TINY, *USES[how]], plugins=[plugin]), "results", "cpu", seen)
    config = ts.load_config(plugins=[plugin], theory="wrong")
    if how == "regime":
        return ts.check_regime(config)
    if how == "predict":
        return ts.predict(config, xr.Dataset())
    results = ts.run(config, "results", "cpu", seen)
    return ts.evaluate_claims(results) if how == "verify" else results


def seen(progress):
    done.append(progress.done)


told = {}
for name, (how, text) in json.load(sys.stdin).items():
    plugin, done = Path(name, "plugin.py"), []
    plugin.parent.mkdir()
    plugin.write_text(text)
    try:
        told[name] = ["nothing", repr(use(how, str(plugin))), len(done)]
    except Exception as error:
        told[name] = [type(error).__name__, str(error), len(done)]
    for forget in plugins.forgetters:
        forget(str(plugin.resolve()))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """For each case what was raised, and after how many steps."""
    cases = {name: (how, HEAD + text + "\n") for name, (how, text, _) in WRONG.items()}
    folder = tmp_path_factory.mktemp("wrong")
    command = [sys.executable, "-W", "error::UserWarning", "-c", PROGRAM]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_in_one_line_before_training(name: str, told: dict[str, list[Any]]) -> None:
    how, _, message = WRONG[name]
    kind, said, steps = told[name]
    assert kind == "InputError", said
    assert re.fullmatch(message, said), said
    assert steps == 0 or how == "verify"


def test_the_command_line_says_it_too(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(HEAD + READOUT + "return heads[..., 0]\n")
    settings = [f"--set={setting}" for setting in ("transfer.readouts=[wrong]", "training.steps=1", "replicas=2")]
    command = [sys.executable, "-m", "theory_sim", "verify", *settings, "--plugin", str(plugin), "--device=cpu"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    line = len((HEAD + READOUT).splitlines()) - 2
    assert done.returncode == 2
    assert done.stderr == (
        f"error: readout 'wrong' (wrong in {plugin}, line {line}): expected floating-point numbers of the shape (2, 64, 2):"
        " the probability of each coarse class; got torch.float32 of the shape (2, 64)\n"
    )

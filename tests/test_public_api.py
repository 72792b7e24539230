"""The public names: complete, documented, typed, light to import; and wrong input from Python is an `InputError` in one line."""

import html
import inspect
import json
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import theory_sim as ts
from theory_sim import config as sections
from theory_sim.runtime.settings import Section

TINY = ts.Config().replace(
    {
        "name": "tiny",
        "replicas": 2,
        "tree.subclasses": 2,
        "data.dim": 16,
        "data.patches": 20,
        "network.neurons": 3,
        "training.batch": 8,
        "training.steps": 4,
        "test.samples": 20,
        "test.curve_samples": 5,
        "record.points": 3,
    }
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ts.Results:
    return ts.run(TINY, tmp_path_factory.mktemp("results"), "cpu")


# Names.


def test_every_name_is_there_and_documented() -> None:
    assert sorted(set(ts.__all__)) == sorted(ts.__all__)
    assert set(ts.__all__) <= set(dir(ts))
    for name in ts.__all__:
        value = getattr(ts, name)
        if typing.get_origin(value) is None:  # a type alias has its text in the module
            assert inspect.getdoc(value), name
        if inspect.isfunction(value) or isinstance(value, type):
            assert value.__module__.startswith("theory_sim."), name


def classes_in(hint: Any) -> Iterator[type]:
    """All classes that an annotation names."""
    if isinstance(hint, type):
        yield hint
    if isinstance(origin := typing.get_origin(hint), type):
        yield origin
    for part in typing.get_args(hint):
        for inner in part if isinstance(part, list | tuple) else [part]:
            yield from classes_in(inner)


def callables(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A function, or a class and its public methods and properties."""
    if inspect.isfunction(value) or isinstance(value, type):
        yield name, value
    if isinstance(value, type):
        for key, member in vars(value).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inspect.isfunction(function) and (not key.startswith("_") or key == "__init__"):
                yield f"{name}.{key}", function


def test_what_public_names_take_and_give_is_public() -> None:
    public = {getattr(ts, name) for name in ts.__all__ if isinstance(getattr(ts, name), type)}
    space = {name: getattr(ts, name) for name in ts.__all__} | {"pd": pd}
    # Sections of the configuration are read as its attributes, such as ``config.data``.
    known = public | {value for value in vars(sections).values() if isinstance(value, type) and issubclass(value, Section)}
    seen, missing = 0, set()
    for name in ts.__all__:
        for where, function in callables(name, getattr(ts, name)):
            for hint in typing.get_type_hints(function, localns=space).values():
                for class_ in classes_in(hint):
                    if class_.__module__.startswith("theory_sim"):
                        seen += 1
                        if class_ not in known:
                            missing.add((where, class_.__qualname__))
    assert seen > 200
    assert not missing


def test_importing_is_light() -> None:
    program = "import sys, theory_sim; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "'theory_sim'" in done.stdout
    assert not [
        name for name in ("torch", "scipy", "xarray", "pandas", "numba", "numpy", "pydantic") if f"'{name}'" in done.stdout
    ]


# How objects are shown.


def test_a_configuration_shows_what_differs() -> None:
    assert repr(ts.Config()) == "Config()"
    config = ts.Config().replace({"data.dim": 64, "training.step_size.fine": 0.2, "name": "mine"})
    shown = "Config().replace({'name': 'mine', 'data.dim': 64, 'training.step_size.fine': 0.2})"
    assert (repr(config), str(config)) == (shown, shown)
    assert eval(shown, {"Config": ts.Config}) == config
    assert "<td>data.dim</td><td>64</td>" in config._repr_html_()
    assert "<td>noise" not in config._repr_html_()


@pytest.mark.parametrize(
    ("theory", "changes", "shown"),
    [
        ("label-granularity", {"training.engine": "gradient"}, "{'training.engine': 'gradient'}"),
        (
            "label-granularity",
            {"training.engine": "gradient", "engine": {"biases": "frozen"}},
            "{'training.engine': 'gradient', 'engine': {'biases': 'frozen'}}",
        ),
        ("benign-overfitting", {"training.engine": "dense", "engine": {}}, "{'training.engine': 'dense', 'engine': {}}"),
        ("benign-overfitting", {"engine.biases": "frozen"}, "{'engine.biases': 'frozen'}"),
    ],
)
def test_another_engine_is_shown_with_those_of_its_settings_that_are_not_its_defaults(
    theory: str, changes: dict[str, Any], shown: str
) -> None:
    """All settings of the engine were listed, and for an engine without settings the expression was refused."""
    config = ts.load_config(theory=theory).replace(changes)
    assert repr(config).endswith(f".replace({shown})")
    assert eval(repr(config), {"Config": ts.Config}) == config


def test_a_theorys_configuration_shows_what_differs_from_its_defaults() -> None:
    law = ts.PatchLaw(ts.LabelTree.of(2, 2), 3, ts.Gaussian(0.1), {"one": [ts.Group(ts.Node(1), 1)]})
    try:
        theory = ts.register_theory(
            ts.Theory("shown", law, {"labels": {"only": "leaf"}, "training": {"step_size": {"only": 0.5}}})
        )
        config = theory.config({"data.dim": 8})
        assert repr(theory.config()) == "Config(theory='shown')"
        assert repr(config) == "Config(theory='shown').replace({'data.dim': 8})"
    finally:
        ts.THEORIES.remove("shown")
        ts.SETUPS.remove("shown")
    assert "'data.dim': 8" in repr(config), "its theory is gone"


def test_results_training_claims_and_checks_are_shown(results: ts.Results) -> None:
    claims, checks, regime = ts.evaluate_claims(results), ts.check_data(TINY, 100), ts.check_regime(TINY)
    for found, column in ((claims, "claim"), (checks, "invariant"), (regime, "assumption")):
        assert isinstance(found, list)
        assert repr(found).splitlines() == [str(one) for one in found] == [repr(one) for one in found]
        page = found._repr_html_()
        assert page.count("<tr>") == 1 + len(found)
        assert f"<th>{column}</th>" in page
        assert html.escape(found[0].row()[column]) in found[0]._repr_html_()
    assert str(claims[0]).startswith("coarse-training-loss: 0.")
    assert str(claims[0]).endswith("≤ 0.05: refuted")
    training = ts.Training(TINY)
    for value, words in (
        (training, ["Training of 'tiny'", "step 0 of 4", "2 replicas", "fine on leaf (4 heads)"]),
        (results, ["Results of 'tiny'", "2 replicas", "fine: labels leaf, loss ", "hard error "]),
    ):
        for word in words:
            assert word in repr(value)
            assert html.escape(word) in value._repr_html_()


# Datasets.


def test_variables_have_names_and_units_and_every_dimension_its_coordinate(results: ts.Results) -> None:
    other = ts.evaluate_on(results, TINY.replace({"hard.noise": 0}), "cpu")
    predicted = ts.predict(TINY, results.fine)
    for data in (results.coarse, results.fine, other, predicted):
        for name, variable in data.data_vars.items():
            assert variable.attrs["long_name"], name
            assert variable.attrs["units"] in ("1", "nat"), name
        for name, coordinate in data.coords.items():
            assert coordinate.attrs["long_name"], name
        assert {name for name in data.dims if name not in data.coords} <= {"sample", "test_sample"}
    assert results.fine.neuron.values.tolist() == [0, 1, 2]
    own = {name for name in results.fine.coords if set(results.fine[name].dims) <= set(predicted.dims)}
    assert (
        own == set(predicted.coords) >= {"replica", "step", "update", "head", "head_parent", "neuron", "feature", "feature_name"}
    )
    for name in own - {"update"}:
        assert predicted[name].identical(results.fine[name])


def test_tidy_tables(results: ts.Results) -> None:
    table = results.tidy("response")
    assert list(table.columns[:1]) == ["network"]
    assert {"replica", "step", "head", "feature", "feature_name", "head_parent", "response"} <= set(table.columns)
    assert len(table) == results.coarse.response.size + results.fine.response.size
    row = table[
        (table.network == "fine") & (table.replica == 1) & (table.step == 4) & (table["head"] == 2) & (table.feature == 3)
    ]
    assert row.response.item() == float(results.fine.response.sel(replica=1, step=4, head=2, feature=3))
    with pytest.raises(ts.InputError, match=r"^there is no variable 'respons'; there are correlation, "):
        results.tidy("respons")


# Wrong input.

LAW = "ts.PatchLaw(ts.LabelTree.of(2, 2), 3, ts.Gaussian(0.1), {'one': [ts.Group(ts.Node(1), 1)]})"
X = "np.zeros((8, 2, 3), 'f'), np.arange(8) % 2"
WRONG = {
    "ts.load_config('nowhere.yaml')": "cannot read the configuration nowhere.yaml: No such file or directory",
    "ts.load_config(3)": "path of a configuration: expected str or Path, got int",
    "ts.load_config(overrides='data.dim=3')": "overrides: expected list or tuple, got str",
    "ts.load_config(overrides=['data.dimm=3'])": "unknown key data.dimm; did you mean data.dim?",
    "ts.load_config(plugins=['nowhere.py'])": "plugin nowhere.py: no such file",
    "ts.load_config(plugins='nowhere.py')": "plugins: expected list or tuple, got str",
    "ts.load_config(theory='nowhere')": "unknown theory 'nowhere'; there are benign-overfitting, label-granularity",
    "ts.load_config(replicas=0)": "replicas: should be greater than or equal to 1, got 0",
    "ts.Config().replace({'data.dim': 'x'})": "data.dim: should be a valid integer, got 'x'",
    "ts.Config().replace(3)": "replace: expected Mapping, got int",
    "ts.load_results('nowhere')": "nowhere holds no finished run: manifest.json is missing",
    "ts.load_results(3)": "load_results: expected str or Path, got int",
    "ts.run('text')": "run: expected Config, got str",
    "ts.run(ts.Config(), device='nowhere')": "unknown device 'nowhere'",
    "ts.run(ts.Config(), out=3)": "out: expected str or Path, got int",
    "ts.run(ts.Config(), record=3)": "record: expected a mapping of names to functions, got int",
    "ts.run(ts.Config(), record={'mine': 3})": "record mine: expected a function of the training, got int",
    "ts.evaluate_claims(3)": "evaluate_claims: expected Results, got int",
    "ts.evaluate_on(3, ts.Config())": "evaluate_on: expected Results, got int",
    "ts.check_data('text')": "check_data: expected Config, got str",
    "ts.check_data(ts.Config(), samples=0)": "check_data: samples: should be 10 or more, got 0",
    "ts.check_regime('text')": "config: expected Config, got str",
    "ts.predict(ts.Config(), 3)": "predict: expected Dataset, got int",
    "ts.predict(3, xr.Dataset())": "config: expected Config, got int",
    "ts.predict(ts.Config(), xr.Dataset())": "prediction: the record of a network is needed; correlation is missing",
    "ts.PatchLaw(3, 3, ts.Gaussian(0.1), {})": "PatchLaw: tree: expected LabelTree, got int",
    "ts.PatchLaw(3, 3, ts.Gaussian(0.1), {'one': []})": "PatchLaw: tree: expected LabelTree, got int",
    "ts.PatchLaw(ts.LabelTree.of(2, 2), 3, 0.1, {'one': []})": "PatchLaw: noise: expected Gaussian or Coordinates, got float",
    "ts.PatchLaw(ts.LabelTree.of(2, 2), 3, ts.Gaussian(0.1), [])": "PatchLaw: kinds: expected Mapping, got list",
    "ts.PatchLaw(ts.LabelTree.of(2, 2), 3, ts.Gaussian(0.1), {'a': [3]})": "PatchLaw: kinds: a: expected Group, got int",
    "ts.PatchLaw(ts.LabelTree.of(2, 2), 0, ts.Gaussian(0.1), {'a': []})": "PatchLaw: patches: should be 1 or more, got 0",
    "ts.PatchLaw(ts.LabelTree.of(2, 2), 3, ts.Gaussian(0.1), {})": "a law needs at least one kind of sample",
    "ts.Coordinates(stats.t(2), 0.1)": "Coordinates: the law has no finite variance, so that no norm can be given to it",
    "ts.Gaussian(-1.0)": "Gaussian: norm: should be a number of 0 or more, got -1.0",
    "ts.Group(3, 1)": "Group: holds: expected Node or OtherClass or Extra or Nothing, got int",
    "ts.Group(ts.Node(1), 1.5)": "Group: patches: expected int or integer, got float",
    "ts.Group(ts.Node(1), -1)": "a group of -1 patches: there cannot be fewer than 0",
    "ts.Group(ts.Node(1), 1, 0.5)": "Group: strength: expected Uniform or a law as SciPy's, got float",
    "ts.Group(ts.Node(1), 1, sign='-')": "Group: the sign is one of +, random, class, -class, got '-'",
    "ts.Uniform(2, 1)": "Uniform: expected finite ends with low ≤ high, got 2 and 1",
    "ts.SampledLaw(ts.LabelTree.of(2, 2), ['a'], 3)": "SampledLaw: sample: expected a function (streams, samples, shares",
    "ts.label_function('nowhere', ts.LabelTree.of(2, 2))": "unknown label function 'nowhere'; there are ",
    "ts.register_label_function('Odd')": "label function 'Odd': a name is of lower-case letters and hyphens, such as odd-even",
    "ts.register_label_function(3)": "register_label_function: name: expected str, got int",
    "ts.register_label_function('leaf')(lambda tree, context: None)": "label function 'leaf' is registered twice: by theory_sim.",
    "ts.register_readout(len)": "register_readout: name: expected str, got builtin_function_or_method",
    "ts.register_fitted_readout(3)": "register_fitted_readout: name: expected str, got int",
    "ts.register_engine(3)": "register_engine: name: expected str, got int",
    "ts.register_theory('mine')": "register_theory: expected Theory, got str",
    "ts.register_claim('mine')": "register_claim: expected Claim, got str",
    "ts.Claim('a', 'A.', 'T', len, '<', 1)": "claim a: the side is one of ≤, ≥, >, got '<'",
    "ts.Claim('a', 'A.', 'T', 3, '≤', 1)": "claim a: estimate is a function of the results, not int",
    "ts.Claim('a', 'A.', 'T', len, '≤', 'x')": "claim a: bound: expected a number, got str",
    "ts.Theory('t', 3, claims=[3])": "theory t: claims: expected Claim, got int",
    "ts.Theory('t', 3, regime=[])": "theory t: regime: expected a function (config), got list",
    "ts.Theory('t', 3, defaults=[])": "theory t: defaults: expected Mapping, got list",
    "ts.THEORIES['label-granularity'].config({1: 2})": "theory label-granularity: config: a key such as data.dim: expected str",
    "ts.LabelTree.of(2, -1)": "tree.subclasses: a coarse class cannot have -1 subclasses",
    "ts.LabelTree.of(2, [[-1], 3])": "tree.subclasses: expected numbers of 0 or more, and lists of them, got -1",
    "ts.LabelTree.of(2, [2.5, 3])": "tree.subclasses: expected numbers of 0 or more, and lists of them, got 2.5",
    "ts.LabelTree((1, -1, -1))": "label tree: the parent of node 0 is 1; it must come before it",
    "ts.LabelTree.of(2, 0.5)": "tree.subclasses: expected int or Sequence, got float",
    "ts.register_claim(ts.Claim('a', 'A.', 'T', len, '≤', 1))": "claim a: name the theory that it is added to, such as",
    f"ts.Theory('t', {LAW}).config()": "unknown theory 't'; there are ",
    "ts.READOUTS['nowhere']": "unknown readout 'nowhere'; there are argmax_parent, ",
    "ts.READOUTS[3]": "name of a readout: expected str, got int",
    "ts.results_folder('text')": "results_folder: expected Config, got str",
    "ts.fit('text', [0])": "x: expected an array of numbers, got str",
    f"ts.fit({X.replace(', np.arange(8) % 2', ', None')})": "labels: expected an array of whole numbers, got NoneType",
    f"ts.fit({X}, 'v')": "directions: expected an array of numbers, got str",
    f"ts.fit({X}, test=3)": "test: expected a pair of samples and labels, got int",
    f"ts.fit({X}, neurons=2.5)": "neurons: ",
    f"ts.fit({X}, batch='x')": "batch: should be a valid integer or should be 'full', got 'x'",
    f"ts.fit({X}, step_size='fast')": "step_size: should be a number greater than 0, got 'fast'",
    f"ts.fit({X}, names=3)": "names: expected list or tuple, got int",
    "ts.list_runs(3)": "folder: expected str or Path, got int",
    "ts.list_runs('.', filters='data.dim=256')": "filters: expected list or tuple, got str",
    "ts.compare(3, 4)": "compare: expected Results or StoredRun or str or Path, got int",
    "ts.plot.claims(3)": "plot.claims: expected Results or Sequence, got int",
    "ts.plot.claims('text')": "plot.claims: a claim: expected ClaimResult, got str",
    "ts.plot.responses(3)": "plot: expected Results, got int",
    "ts.plot.phase('nowhere', 'a', 'b')": "plot.phase: nowhere holds no tables of a sweep",
    "ts.plot.phase(3, 'a', 'b')": "plot.phase: expected DataFrame or str or Path, got int",
    "ts.replicas_needed('a', 1)": "replicas_needed: gain: expected int or float or number, got str",
    "testing.false_alarm_level(suites=0.5)": "false_alarm_level: suites: expected a whole number, 1 or more, got 0.5",
    "testing.drawn_batches(0)": "drawn_batches: max_samples: expected a whole number, 1 or more, got 0",
    "testing.drawn_batches(of=3)": "drawn_batches: of: expected SearchStrategy, got int",
    "testing.generated(samples='x')": "generated: samples: expected a whole number, 10 or more, got 'x'",
    "testing.generated(of=ts.Config())": "generated: of: expected SearchStrategy, got Config",
    "testing.configs(data=3)": "configs: data: should be a section of keys, got 3",
}
PROGRAM = """
import json, sys
import numpy as np
import xarray as xr
from scipy import stats
import theory_sim as ts
from theory_sim import testing

told = {}
for text in json.load(sys.stdin):
    try:
        told[text] = ["nothing", repr(eval(text))]
    except Exception as error:
        told[text] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


def test_wrong_input_is_refused_in_one_line(tmp_path: Path) -> None:
    """In another process: here, pytest checks the types of arguments before the package sees them."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps([*WRONG]), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    wrong = {
        text: told[text]
        for text, message in WRONG.items()
        if told[text][0] != "InputError" or not told[text][1].startswith(message) or "\n" in told[text][1]
    }
    assert not wrong, json.dumps(wrong, indent=1)
    assert list(tmp_path.iterdir()) == []

"""Hypothesis strategies of configurations: every option of the laws and of the engine `gradient`, some of them given."""

import itertools
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from hypothesis import reject
from hypothesis import strategies as st

from theory_sim.config import LABEL_GRANULARITY, Config, load_config
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.contracts import ENGINES, SETUPS
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import all_keys, flat, nested, unknown_key
from theory_sim.testing.picking import Picks
from theory_sim.testing.tree_strategies import subclasses
from theory_sim.training.engines.gradient import GradientSettings
from theory_sim.training.evaluation import evaluate
from theory_sim.training.trainer import Training

_NOISES = st.just(0.0) | st.floats(0.01, 2)
_GRADIENT = "gradient"
_SMALLEST = {
    "replicas": 1,
    "tree.coarse": 2,
    "tree.subclasses": 1,
    "data.dim": 4,
    "data.patches": 3,
    "data.feature_patches": 1,
    "hard.feature_noise_patches": 0,
}
"""The smallest configuration of the paper's theory."""


@cache
def warm_up() -> None:
    """Compile what an example may call, for both data types: one step of training and a test, at a tiny size."""
    tiny = {"replicas": 1, "tree": {"subclasses": 1}, "test": {"samples": 2}}
    data = {"dim": 4, "patches": 6, "feature_patches": 1, "feature_noise_patches": 1}
    # Small networks have a step of their own where their output weights are frozen.
    for dtype, basis, trained in itertools.product(("float32", "float64"), ("canonical", "rotated"), (False, True)):
        training, network = {"batch": 2, "dtype": dtype}, {"neurons": 2, "train_output": trained}
        config = Config.model_validate(tiny | {"data": data | {"basis": basis}, "training": training, "network": network})
        with torch.no_grad():
            small = Training(config)
            small.step()
            evaluate(small)


def configs(**fixed: Any) -> st.SearchStrategy[Config]:
    """Valid configurations of a theory with some keys given: ``configs(replicas=2, **{"data.dim": 64})``.

    Drawn are all options of the theory's law, the features' basis, label noise, label functions, the sizes, the data type, and
    the engines `dense` and `gradient` with all options of the latter. Each key shrinks to its default, and a configuration's
    ``repr`` names the keys that differ from it: a reduced example shows the few keys that its failure needs. Most
    examples are small. The default sizes of network and training are among those drawn: give ``training.steps`` and
    ``network.neurons`` where examples train.

    Args:
        fixed: values by their keys, or sections in part, such as ``data={"dim": 64}``. ``theory`` names the theory, that of label
            granularity without it; of a theory of your own, name its file in ``plugins`` too: the parameters of its law are
            drawn by their types, numbers from a quarter to four times their defaults.

    Raises:
        InputError: a key is unknown or given twice, or the values fit neither the theory's defaults nor, with that of label
            granularity, the smallest configuration.
    """
    warm_up()
    given: dict[str, Any] = {}
    for key, value in fixed.items():
        own = flat({key: value})
        if twice := given.keys() & own.keys():
            raise InputError(f"configs: {min(twice)} is given twice")
        given |= own
    default = load_config(**{key: given[key] for key in ("theory", "plugins") if key in given})
    _check(given, default)
    return _configs(given, default)


def _check(given: Mapping[str, Any], default: Config) -> None:
    """Refuse fixed values that no configuration has: with the simplest values of the others they should be valid."""
    known = {*all_keys(Config)}
    for key in given:
        if (
            key not in known
            and key.partition(".")[0] not in ("labels", "law", "engine")
            and not key.startswith("training.step_size.")
        ):
            raise InputError(unknown_key(key.split("."), Config))
    try:
        _made(given, default)
    except InputError:
        if default.theory != LABEL_GRANULARITY:
            raise
        try:
            _made({**_SMALLEST, **given}, default)
        except InputError as error:
            raise InputError(f"configs: {error}") from None


def _made(values: Mapping[str, Any], default: Config) -> Config:
    own = {"theory": default.theory, "plugins": default.plugins}
    return load_config(**(own | nested(values)))


@st.composite
def _configs(draw: Callable[..., Any], given: Mapping[str, Any], default: Config) -> Config:
    picks = Picks(draw, given, default.model_dump())
    picks.number("replicas", 1, 3, seldom=True)
    picks.pick("seed", st.integers(0, 2**31))
    if default.theory == LABEL_GRANULARITY:
        _paper(picks)
    else:
        _other(picks, default)
    picks.pick("data.basis", st.just("rotated"))
    picks.pick("training.dtype", st.just("float64"))
    _training(picks, default)
    try:
        return _made(dict(given) | picks.values, default)
    except InputError:
        # Few draws get here: a theory's law may refuse values together that it takes one by one.
        return reject()


def _paper(picks: Picks) -> None:
    """The law of label granularity: sizes that fit together, and every option of it."""
    tree = _tree(picks)
    picks.pick(
        "data.dim",
        st.integers(tree.n_nodes, tree.n_nodes + 16),
        seldom=True,
        default_fits=tree.n_nodes <= picks.default("data.dim"),
    )
    dominant = picks.pick("hard.noise", _NOISES) > 0
    most = picks.fixed("data.patches", 10**6)
    least = picks.fixed("data.feature_noise_patches", 0), picks.fixed("hard.feature_noise_patches", 0) + dominant
    s = picks.number("data.feature_patches", 1, 3, (most - max(least)) // tree.depth, seldom=True)
    room = most - tree.depth * s
    easy = picks.number("data.feature_noise_patches", 0, 2, room)
    hard = picks.number("hard.feature_noise_patches", 0, 2, room - dominant)
    need = tree.depth * s + max(easy, hard + dominant)
    picks.pick("data.patches", st.integers(need, need + 4), seldom=True, default_fits=need <= picks.default("data.patches"))
    picks.pick("data.patch_law", st.just("independent"))
    picks.pick("data.strength_spread", st.just(0.0) | st.floats(0.01, 0.9))
    picks.pick("data.noise", _NOISES)
    picks.pick("data.feature_noise", _ranges(0.0, 1.0))
    picks.pick("data.hard_share", st.just(1.0) | st.floats(0.05, 0.9))
    picks.pick("data.label_noise", st.just(1.0) | st.floats(0.05, 0.5))
    picks.pick("hard.common", st.just("weak"))
    picks.pick("hard.weak_strength", _ranges(0.0, 0.5))
    picks.pick("hard.feature_noise", _ranges(0.0, 1.0))
    picks.pick("target.noise", _NOISES)
    picks.pick("target.strength_spread", st.floats(0.01, 0.9))
    picks.pick("target.feature_noise", _ranges(0.0, 1.0))
    picks.pick("labels.fine", st.sampled_from(["level(1)", "level(2)", "random(3)", "split(1, 2)"]))


def _tree(picks: Picks) -> LabelTree:
    """The tree, with no more nodes than a fixed ``data.dim`` has room for."""
    room = picks.fixed("data.dim", 10**6)
    listed = picks.fixed("tree.subclasses", None)
    coarse = len(listed) if isinstance(listed, list) else picks.number("tree.coarse", 2, 4, room // 2)
    equal = st.integers(1, max(1, min(4, room // coarse - 1)))
    unequal = st.lists(subclasses(), min_size=coarse, max_size=coarse)
    unequal = unequal.filter(lambda below: LabelTree.of(coarse, below).n_nodes <= room)
    below = picks.pick("tree.subclasses", equal | unequal, True, coarse * (picks.default("tree.subclasses") + 1) <= room)
    return LabelTree.of(coarse, below, picks.pick("tree.tail", st.floats(0.1, 2)))


def _other(picks: Picks, default: Config) -> None:
    """The parameters of another theory's law."""
    setup = SETUPS[default.theory]
    if setup.parameters is not None:
        picks.section("law", setup.parameters, default.law, {})
    features = setup.law_at(default).n_features
    if callable(setup.law):
        picks.pick("data.dim", st.integers(max(2, features), features + 16), seldom=True)


def _training(picks: Picks, default: Config) -> None:
    """Sizes of network and training, and the engine with its options."""
    picks.pick("network.neurons", st.integers(1, 6))
    steps = picks.number("training.steps", 0, 4)
    finite = picks.pick("data.training_samples", st.integers(2, 40), seldom=default.data.training_samples > 0)
    sizes = st.integers(1, 8) | st.just("full") if finite else st.integers(1, 8)
    full = picks.pick("training.batch", sizes, default_fits=finite > 0 or default.training.batch != "full") == "full"
    own, engines = default.training.engine == _GRADIENT, st.sampled_from(["dense", _GRADIENT])
    # Hypothesis takes the shortest example for the simplest: with the default engine it must not be longer than with another.
    if own or picks.pick("training.engine", engines) == _GRADIENT:
        picks.section("engine", GradientSettings, default.engine if own else {}, _gradient(steps, full))
    if own and picks.pick("training.engine", engines) != _GRADIENT:
        picks.drop("engine.")


def gradient_settings(steps: int = 4) -> st.SearchStrategy[dict[str, Any]]:
    """Values of the configuration's section ``engine`` for ``training.engine: gradient``, over every option.

    Args:
        steps: ``training.steps``, at least 2; phases of a balanced subset also need ``training.batch: full``.
    """
    return _gradient_settings(steps)


@st.composite
def _gradient_settings(draw: Callable[..., Any], steps: int) -> dict[str, Any]:
    default = ENGINES[_GRADIENT].settings().model_dump()
    picks = Picks(draw, {}, {})
    picks.section("engine", GradientSettings, default, _gradient(steps, full=True))
    own: dict[str, Any] = default | nested(picks.values).get("engine", {})
    return own


def _gradient(steps: int, full: bool) -> dict[str, st.SearchStrategy[Any]]:
    """Values of the engine's settings whose types do not say them.

    Args:
        steps: ``training.steps``.
        full: whether each step takes the whole training set, as balanced samples need.
    """
    phase = st.fixed_dictionaries(
        {"samples": st.sampled_from(["all", "balanced"] if full else ["all"]), "momentum": st.just(0.0) | st.floats(0.1, 0.9)},
        optional={"step_size": st.floats(1e-3, 0.1)},
    )
    last = phase.map(lambda phase: [phase])
    first = st.tuples(phase, st.integers(1, max(1, min(steps - 1, 4)))).map(lambda drawn: drawn[0] | {"steps": drawn[1]})
    two = st.tuples(first, phase).map(list)
    return {
        "activation": st.sampled_from(["relu", "z^2", "z^3"]),
        "init_scale": st.floats(0.1, 2),  # with larger weights z^q diverges in a few steps
        "phases": last | two if steps > 1 else last,
    }


def _ranges(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(low, high, width=32), min_size=2, max_size=2).map(sorted)

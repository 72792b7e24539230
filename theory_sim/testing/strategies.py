"""Hypothesis strategies for users who property-test code that builds on this package, or a generator of their own.

    from hypothesis import given
    from theory_sim import testing

    @given(testing.drawn_batches())
    def test_my_generator(drawn):
        mine = my_generator(drawn.config, drawn.dictionary, drawn.batch.leaf)
        ...

The first call of `configs` or `drawn_batches`, in the line of ``@given``, compiles the loops that drawing and training use:
a second, or on a machine's first use up to a minute. Hypothesis would count that as the time of the first example, which its
deadline of 0.2 s then ends; examples themselves take a few milliseconds.

Needs ``pip install theory-sim[testing]``. To test a generator's laws, not only single samples, hand its batches to
`theory_sim.data.checks.check_batches`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from hypothesis import strategies as st

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law
from theory_sim.data.sampler import Batch, make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.streams import streams
from theory_sim.training.evaluation import evaluate
from theory_sim.training.trainer import Training


@dataclass(frozen=True)
class Drawn:
    """A batch and what it was drawn from."""

    config: Config
    law: Law
    dictionary: Dictionary
    batch: Batch


@cache
def _warm_up() -> None:
    """Compile what an example may call, for both data types: one step of training and a test, at a tiny size."""
    tiny = {"replicas": 1, "tree": {"subclasses": 1}, "network": {"neurons": 2}, "test": {"samples": 2}}
    data = {"dim": 4, "patches": 6, "feature_patches": 1, "feature_noise_patches": 1}
    for dtype in ("float32", "float64"):
        for basis in ("canonical", "rotated"):
            training = {"batch": 2, "dtype": dtype}
            config = Config.model_validate(tiny | {"data": data | {"basis": basis}, "training": training})
            with torch.no_grad():
                small = Training(config)
                small.step()
                evaluate(small)


def subclasses(max_children: int = 4, max_depth: int = 3) -> st.SearchStrategy[Any]:
    """Values of ``tree.subclasses`` below one coarse class: a number, or a list (a deeper tree).

    Args:
        max_children: most children of a node.
        max_depth: most levels below the root, the coarse classes being the first.
    """
    number = st.integers(1, max_children)
    if max_depth <= 2:
        return number
    inner = subclasses(max_children, max_depth - 1) | st.just(0)
    return number | st.lists(inner, min_size=1, max_size=max_children)


@st.composite
def tree_sections(draw: Callable[..., Any], max_coarse: int = 4, max_children: int = 4, max_depth: int = 3) -> dict[str, Any]:
    """Values of the configuration's ``tree`` section: equal or unequal numbers of subclasses, flat or deep."""
    coarse = draw(st.integers(2, max_coarse))
    below = subclasses(max_children, max_depth)
    equal = st.integers(1, max_children)
    unequal = st.lists(below, min_size=coarse, max_size=coarse)
    return {"coarse": coarse, "subclasses": draw(equal | unequal), "tail": draw(st.just(0.0) | st.floats(0.1, 2))}


@st.composite
def trees(draw: Callable[..., Any], max_coarse: int = 4, max_children: int = 4, max_depth: int = 3) -> LabelTree:
    """Label trees."""
    return LabelTree.of(**draw(tree_sections(max_coarse, max_children, max_depth)))


def _ranges(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(low, high, width=32), min_size=2, max_size=2).map(sorted)


def configs(max_dim_extra: int = 16, dtype: str = "float64") -> st.SearchStrategy[Config]:
    """Valid small configurations, over every option of the data model.

    Args:
        max_dim_extra: most dimensions beyond the number of features.
        dtype: ``training.dtype``.
    """
    _warm_up()
    return _configs(max_dim_extra, dtype)


@st.composite
def _configs(draw: Callable[..., Any], max_dim_extra: int, dtype: str) -> Config:
    tree = draw(tree_sections())
    shape = LabelTree.of(**tree)
    s = draw(st.integers(1, 3))
    noise_patches, hard_noise_patches = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    patches = shape.depth * s + max(noise_patches, hard_noise_patches + 1) + draw(st.integers(0, 4))
    noises = st.just(0.0) | st.floats(0.01, 2)
    return Config.model_validate(
        {
            "replicas": draw(st.integers(1, 3)),
            "seed": draw(st.integers(0, 2**31)),
            "tree": tree,
            "data": {
                "dim": shape.n_nodes + draw(st.integers(0, max_dim_extra)),
                "patches": patches,
                "feature_patches": s,
                "patch_law": draw(st.sampled_from(["fixed", "independent"])),
                "strength_spread": draw(st.just(0.0) | st.floats(0.01, 0.9)),
                "noise": draw(noises),
                "feature_noise_patches": noise_patches,
                "feature_noise": draw(_ranges(0.0, 1.0)),
                "basis": draw(st.sampled_from(["canonical", "rotated"])),
                "label_noise": draw(st.just(0.0) | st.floats(0.05, 0.5)),
            },
            "hard": {
                "common": draw(st.sampled_from(["missing", "weak"])),
                "weak_strength": draw(_ranges(0.0, 0.5)),
                "feature_noise_patches": hard_noise_patches,
                "feature_noise": draw(_ranges(0.0, 1.0)),
                "noise": draw(noises),
            },
            "network": {"neurons": draw(st.integers(1, 6))},
            "training": {"batch": draw(st.integers(1, 8)), "steps": draw(st.integers(0, 4)), "dtype": dtype},
        }
    )


def gradient_settings(steps: int = 4) -> st.SearchStrategy[dict[str, Any]]:
    """Values of the configuration's section ``engine`` for ``training.engine: gradient``, over every option.

    Args:
        steps: ``training.steps``, at least 2; phases of a balanced subset also need ``training.batch: full``.
    """
    return _gradient_settings(steps)


@st.composite
def _gradient_settings(draw: Callable[..., Any], steps: int) -> dict[str, Any]:
    phase = st.fixed_dictionaries(
        {"samples": st.sampled_from(["all", "balanced"]), "momentum": st.just(0.0) | st.floats(0.1, 0.9)},
        optional={"step_size": st.floats(1e-3, 0.1)},
    )
    first = draw(st.lists(phase, max_size=1))
    return {
        "activation": draw(st.sampled_from(["relu", "z^2", "z^3"])),
        "pooling": draw(st.sampled_from(["sum", "mean"])),
        "biases": draw(st.sampled_from(["scheduled", "frozen", "trained"])),
        "init": draw(st.sampled_from(["normal", "uniform"])),
        "init_scale": draw(st.floats(0.1, 2)),
        "phases": [*(each | {"steps": draw(st.integers(1, steps - 1))} for each in first), draw(phase)],
    }


def drawn_batches(max_samples: int = 8, of: st.SearchStrategy[Config] | None = None) -> st.SearchStrategy[Drawn]:
    """Batches of one kind of sample or of all, of any configuration.

    Args:
        max_samples: most samples of a replica.
        of: strategy of configurations, such as of a theory of your own; `configs` without it.
    """
    _warm_up()
    return _drawn_batches(max_samples, configs() if of is None else of)


@st.composite
def _drawn_batches(draw: Callable[..., Any], max_samples: int, of: st.SearchStrategy[Config]) -> Drawn:
    config = draw(of)
    law, dictionary = law_of(config), make_dictionary(config, torch.device("cpu"))
    own = streams(config.seed_of("data"), "check", config.replicas)
    kinds = list(law.kinds)
    shares = draw(st.sampled_from([*kinds, {kind: 1 / len(kinds) for kind in kinds}]))
    batch = make_sampler(law, dictionary).sample(own, draw(st.integers(1, max_samples)), shares)
    return Drawn(config, law, dictionary, batch)

"""The suites for users: the package's own objects pass them, and every planted fault fails by the name of its check."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from scipy import stats

import theory_sim as ts
from theory_sim import testing
from theory_sim.labels.tree import LabelTree
from theory_sim.training.engines.dense import DenseEngine

SETTINGS = {
    "replicas": 2,
    "tree.subclasses": 2,
    "data.dim": 32,
    "data.patches": 12,
    "data.feature_patches": 2,
    "network.neurons": 6,
    "training.batch": 8,
    "training.steps": 10,
    "transfer.steps": 2,
    "transfer.samples": 50,
    "test.samples": 40,
    "test.curve_samples": 5,
}
TINY = ts.Config().replace(SETTINGS)


def failed(checks: Sequence[ts.Check]) -> list[str]:
    """Names of the checks that fail; `require` raises an error that lists them, or five of many."""
    names = [check.name for check in checks if not check.passed]
    assert names, "every check passes"
    with pytest.raises(testing.ConformanceError) as raised:
        testing.require(checks)
    listed = [name for name in names if f"{name}: " in str(raised.value)]
    assert len(listed) == min(5, len(names))
    assert (f"and {len(names) - 5} more" in str(raised.value)) == (len(names) > 5)
    return names


# The package's own objects.


@pytest.mark.parametrize(
    "changes", [{}, {"data.patch_law": "independent", "hard.common": "weak", "data.label_noise": 0.2, "data.basis": "rotated"}]
)
def test_the_papers_theory(changes: dict[str, Any], tmp_path: Any) -> None:
    config = TINY.replace(changes)
    testing.require(testing.check_theory(config, ts.run(config, tmp_path, "cpu")))


LABELS = {"level": "level(2)", "mixed": "mixed(1, 2)", "leaf": "leaf", "split": "split(1, 3)", "sample-id": "sample-id"}
SETS = {"cluster", "cluster-within", "group", "hypernym"}
"""They rest on embeddings, groups or class names of a data set."""


@pytest.mark.parametrize("name", sorted({*ts.LABEL_FUNCTIONS} - SETS))
def test_label_functions(name: str) -> None:
    testing.require(testing.check_label_function(LABELS.get(name, f"{name}(2)")))


@pytest.mark.parametrize("text", ["cluster(3)", "cluster-within(2)", "group(half)"])
def test_label_functions_of_a_set(text: str) -> None:
    tree = LabelTree.of(2, 6)
    leaf = torch.arange(60).remainder(12)
    groups = {"half": torch.arange(12) % 3}
    points = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    context = ts.LabelContext(60, leaf, lambda: points, groups)
    testing.require(testing.check_label_function(text, tree, context))


@pytest.mark.parametrize("name", list(ts.READOUTS))
def test_readouts(name: str) -> None:
    testing.require(testing.check_readout(name, TINY))


@pytest.mark.parametrize("name", list(ts.ENGINES))
def test_engines(name: str) -> None:
    covered = {"data.noise": 0.05, "network.threshold": 3.0, "network.neurons": 200, "hard.noise": 0} if name == "lucky" else {}
    testing.require(testing.check_engine(name, TINY.replace(covered)))


def test_nothing_checked_is_no_pass() -> None:
    with pytest.raises(testing.ConformanceError, match="nothing was checked"):
        testing.require([])


# Planted faults: laws.


@pytest.fixture
def registered() -> Iterator[Callable[[Any], ts.Config]]:
    """Registers a theory of a law, and gives its configuration."""
    names = []

    def register(law: Any, **values: Any) -> ts.Config:
        name = f"faulty-{len(names)}"
        names.append(name)
        theory = ts.register_theory(ts.Theory(name=name, law=law))
        return theory.config({**SETTINGS, **values})

    yield register
    for name in names:
        ts.THEORIES.remove(name)
        ts.SETUPS.remove(name)


def paper(config: ts.Config) -> ts.PatchLaw:
    return ts.THEORIES["label-granularity"].law_at(config)


@dataclass(frozen=True)
class Lying(ts.Coordinates):
    """Described with one law, and drawn by Student's t of two degrees of freedom."""

    def of_normal(self, z: torch.Tensor) -> torch.Tensor:
        scale = self.norm / (self.law.std() * z.shape[-1] ** 0.5)
        return torch.from_numpy(stats.t(2).ppf(stats.norm.cdf(z.double().numpy())) * scale).to(z)


def test_noise_of_other_degrees_of_freedom(registered: Any) -> None:
    config = registered(lambda config: replace(paper(config), noise=Lying(stats.t(3), config.data.noise)))
    assert "easy: variance of noise of plain patches" in failed(testing.check_law(config))
    honest = registered(lambda config: replace(paper(config), noise=ts.Coordinates(stats.t(3), config.data.noise)))
    testing.require(testing.check_law(honest))


def test_a_sampler_that_scales_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = ts.PatchSampler.draw

    def scaled(self: ts.PatchSampler, streams: ts.Streams, samples: int) -> Any:
        drawn = draw(self, streams, samples)
        drawn.normal.mul_(1.05)
        return drawn

    monkeypatch.setattr(ts.PatchSampler, "draw", scaled)
    assert "easy: variance of noise of plain patches" in failed(testing.check_law(TINY))


TREE = LabelTree.of(2, 2)


def own_law(change: Callable[[ts.Batch], ts.Batch] = lambda batch: batch, draw: Any = None) -> ts.SampledLaw:
    """A law that draws one patch of noise, and tells its truth with a change."""

    def sample(streams: ts.Streams, samples: int, shares: Any, dictionary: ts.Dictionary) -> ts.Batch:
        leaf = streams.integers(TREE.n_leaves, samples)
        like = dictionary.vectors
        x = streams.normal(samples, 1, like.shape[-1], dtype=like.dtype)
        if draw is not None:
            x = draw(x)
        kind = (streams.uniform(samples, dtype=like.dtype) < shares["b"]).long()
        return change(ts.Batch.of(x, leaf, TREE, streams, kind=kind))

    return ts.SampledLaw(TREE, ["a", "b"], sample)


@pytest.mark.parametrize(
    ("law", "check"),
    [
        (own_law(lambda batch: replace(batch, coarse=1 - batch.coarse)), "a: coarse label is the leaf's ancestor"),
        (own_law(lambda batch: replace(batch, kind=torch.zeros_like(batch.kind))), "b: kind of sample"),
        (own_law(lambda batch: replace(batch, labelled_leaf=batch.leaf * 0)), "a: labels are clean"),
        (replace(own_law(), label_noise=0.5), "a: label noise"),
        (own_law(draw=lambda x: x + torch.rand(())), "the same seed gives the same samples"),
        (own_law(draw=lambda x: x + len(x)), "replica 0 is the same alone and among others"),
        (own_law(draw=torch.ones_like), "the next step gives other samples"),
        (own_law(draw=lambda x: x.double()), "samples keep their contract"),
        (own_law(draw=lambda x: x / 0), "samples keep their contract"),
        (own_law(draw=lambda x: x[..., :-1]), "samples keep their contract"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_sampling_function_that_errs(law: ts.SampledLaw, check: str, registered: Any) -> None:
    assert failed(testing.check_law(registered(law))) == [check] or check in failed(testing.check_law(registered(law)))


def test_a_sampling_function_that_does_not(registered: Any) -> None:
    testing.require(testing.check_law(registered(own_law())))


# Planted faults: the other contracts.


def plain_labels(tree: LabelTree) -> ts.LabelFunction:
    return ts.by_leaf("faulty", tree, tree.coarse_of_leaf)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (lambda f: replace(f, assign=lambda samples: f.assign(samples) + 1), "labels lie in 0 … n_classes − 1"),
        (lambda f: replace(f, assign=lambda samples: torch.randint(0, 2, (1, 60))), "the same samples get the same labels"),
        (lambda f: replace(f, assign=lambda samples: f.assign(samples)[..., :-1]), "labels have the samples' shape"),
        (lambda f: replace(f, parent=f.parent + 1), "it keeps its contract"),
        (lambda f: replace(f, leaf_label=f.leaf_label[:-1]), "it keeps its contract"),
        (lambda f: replace(f, name="leaf"), "it keeps its contract"),
        (lambda f: replace(f, leaf_label=torch.randint(0, 2, f.leaf_label.shape)), "its name gives it again"),
        (lambda f: replace(f, leaf_label=1 - f.leaf_label), "labels are as frequent as it says"),
        # Predictions of its networks were wrong: the losses that were predicted and observed were 0.70 and 1.38.
        (lambda f: replace(f, assign=lambda x: torch.where(x.tag < 0.5, f.assign(x), 0)), "labels are as frequent as it says"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_label_function_that_errs(fault: Callable[[ts.LabelFunction], ts.LabelFunction], check: str) -> None:
    try:
        ts.register_label_function("faulty")(lambda tree, context: fault(plain_labels(tree)))
        assert check in failed(testing.check_label_function("faulty"))
    finally:
        ts.LABEL_FUNCTIONS.remove("faulty")


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        (lambda heads, parents: parents.sum(heads.softmax(-1)) * 1.1, "fine: probabilities"),
        (lambda heads, parents: parents.sum(heads.softmax(-1)) - 1, "coarse: probabilities"),
        (lambda heads, parents: heads.softmax(-1), "fine: one answer for each coarse class"),
        (lambda heads, parents: torch.rand(*heads.shape[:2], 2).softmax(-1), "coarse: the same answers each time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_readout_that_errs(answer: Any, check: str) -> None:
    try:
        ts.register_readout("faulty")(answer)
        assert check in failed(testing.check_readout("faulty", TINY))
    finally:
        ts.READOUTS.remove("faulty")


class Forgetful(DenseEngine):
    """Its state lacks the biases."""

    def state(self) -> dict[str, torch.Tensor]:
        return {**super().state(), "bias": torch.full_like(self.bias, -0.016)}


class Deaf(DenseEngine):
    """It does not go on from a state."""

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        pass


class Idle(DenseEngine):
    """A step does nothing."""

    def step(self, batch: ts.Batch, labels: torch.Tensor) -> ts.StepReport:
        kept = {key: value.clone() for key, value in self.state().items()}
        report = super().step(batch, labels)
        self.restore(kept)
        return report


class Shared(DenseEngine):
    """The copy for finetuning has the same weights."""

    def regrouped(self, step_size: float, group: ts.HeadGroups) -> ts.Engine:
        copy = super().regrouped(step_size, group)
        copy.parameters = self.parameters
        return copy


@pytest.mark.parametrize(
    ("engine", "check"),
    [
        (Forgetful, "state and restoration give the same step"),
        (Deaf, "state and restoration give the same step"),
        (Idle, "a step moves the network"),
        (Shared, "a copy leaves the network as it is"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_an_engine_that_errs(engine: type[DenseEngine], check: str) -> None:
    try:
        ts.register_engine("faulty")(engine)
        assert failed(testing.check_engine("faulty", TINY))[0] in {f"{network}: {check}" for network in TINY.networks}
    finally:
        ts.ENGINES.remove("faulty")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ts.Results:
    return ts.run(TINY, tmp_path_factory.mktemp("run"), "cpu")


def claim(**changes: Any) -> ts.Claim:
    whole = {"id": "mine", "statement": "It holds.", "theorem": "T", "side": "≤", "bound": 1.0}
    return ts.Claim(**{"estimate": lambda results: ts.Estimate(0.5, 0.4, 0.6, "t"), **whole, **changes})


def test_a_claim(results: ts.Results) -> None:
    testing.require(testing.check_claim(claim(), results))


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"statement": "errors fall"}, "a full sentence"),
        ({"statement": "Errors fall"}, "a full sentence"),
        ({"estimate": lambda results: ts.Estimate(0.7, 0.4, 0.6, "t")}, "is evaluated"),
        ({"estimate": lambda results: 0.5}, "is evaluated"),
        ({"estimate": lambda results: ts.Estimate(0.5, 0.4, 0.6, "")}, "says how its interval was made"),
        ({"bound": lambda config: float("nan")}, "is evaluated"),
        ({"bound": float("inf")}, "the bound is finite"),
        ({"estimate": lambda results: ts.Estimate(0.5, 0.4, 0.5 + float(torch.rand(())), "t")}, "the same verdict each time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_claim_that_errs(changes: dict[str, Any], check: str, results: ts.Results) -> None:
    assert failed(testing.check_claim(claim(**changes), results)) == [f"mine: {check}"]


def test_a_theory_whose_claims_cannot_be_evaluated(registered: Any, results: ts.Results) -> None:
    def absent(results: ts.Results) -> ts.Estimate:
        return ts.error_rate(results.records["absent"].test_correct.values)

    names = "twice-faulty"
    try:
        theory = ts.register_theory(ts.Theory(name=names, law=paper, claims=[claim(estimate=absent)]))
        ts.register_claim(claim(theory=names))
        found = failed(testing.check_theory(theory.config(SETTINGS), results))
    finally:
        ts.THEORIES.remove(names)
        ts.SETUPS.remove(names)
        ts.CLAIMS.remove("mine")
    assert found == ["mine: is evaluated", "claims have distinct ids"]

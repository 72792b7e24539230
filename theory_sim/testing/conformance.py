"""Conformance suites: what every implementation of a contract must do. The package's own run them, and so may yours.

Each suite returns its findings by name (`theory_sim.data.checks.base.Check`); `require` turns those that fail into an error:

    from theory_sim.testing import check_law, require

    def test_my_law():
        require(check_law(my_theory.config()))
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch

from theory_sim.config import Config
from theory_sim.data.checks.base import Check
from theory_sim.data.checks.suite import check_data
from theory_sim.data.law import shares_of
from theory_sim.data.sampler import Batch, make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.labels.functions import LABEL_FUNCTIONS, LabelContext, LabelFunction, kind_of, label_function
from theory_sim.labels.tree import LabelTree
from theory_sim.runs.results import Results
from theory_sim.runtime.contracts import ENGINES, READOUTS
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.streams import Streams, streams
from theory_sim.theories.claims import Claim
from theory_sim.theories.theory import THEORIES, claims_of, theory_of
from theory_sim.training.engines.base import Engine
from theory_sim.training.trainer import Training

_LISTED = 5
"""Most findings that an error lists: one fault may break dozens of checks."""


class ConformanceError(AssertionError):
    """An implementation does not keep its contract; the message names what fails."""


def require(checks: Sequence[Check]) -> None:
    """Refuse findings that fail.

    Raises:
        ConformanceError: some do; the message lists the gravest: exact invariants, then distributions by their p-values.
    """
    if failed := sorted((check for check in checks if not check.passed), key=lambda check: -1.0 if check.p is None else check.p):
        more = f"; and {len(failed) - _LISTED} more" if len(failed) > _LISTED else ""
        raise ConformanceError("; ".join(f"{check.name}: {check.finding}" for check in failed[:_LISTED]) + more)
    if not checks:
        raise ConformanceError("nothing was checked")


def check_law(config: Config, samples: int = 300, alpha: float = 1e-6) -> list[Check]:
    """The law of a configuration: the invariants of its samples, and how they are drawn.

    Args:
        config: the configuration.
        samples: of each kind and replica.
        alpha: probability that a correct law fails; see `theory_sim.testing.false_alarm_level`.
    """
    law, dictionary = law_of(config), make_dictionary(config, torch.device("cpu"))
    sampler = make_sampler(law, dictionary)

    def drawn(own: Streams, n: int = 6) -> Batch:
        return sampler.sample(own, n, shares_of(law, law.training_shares))

    def stream() -> Streams:
        return streams(config.seed_of("data"), "check", config.replicas)

    try:
        one, again = drawn(stream()), drawn(stream())
    except InputError as error:
        return [_check("samples keep their contract", False, str(error))]
    fields = [field.name for field in dataclasses.fields(Batch)]
    same = [name for name in fields if not torch.equal(getattr(one, name), getattr(again, name))]
    own = stream()
    first, later = drawn(own), drawn(own)
    lone = config.replace({"replicas": 1})
    single = make_sampler(law_of(lone), make_dictionary(lone, torch.device("cpu"))).sample(
        streams(lone.seed_of("data"), "check", 1), 6, law.training_shares
    )
    checks = [
        _check("the same seed gives the same samples", not same, f"{', '.join(same) or 'nothing'} differs"),
        _check("the next step gives other samples", not torch.equal(first.x, later.x), "patches of two steps compared"),
        _check(
            "replica 0 is the same alone and among others",
            torch.equal(single.x[0], one.x[0]) and torch.equal(single.leaf[0], one.leaf[0]),
            f"1 replica and {config.replicas}",
        ),
        _check("samples keep their contract", True, f"{tuple(one.x.shape)}, {one.x.dtype}"),
    ]
    return checks + check_data(config, samples, alpha)


def check_label_function(text: str, tree: LabelTree | None = None, context: LabelContext | None = None) -> list[Check]:
    """A label function on a tree: its classes, its parents, and that the same samples get the same labels.

    Args:
        text: as configurations write it.
        tree: the label tree; 2 × 6 without it.
        context: what else it may use; a finite set of 60 samples without it.
    """
    tree = LabelTree.of(2, 6) if tree is None else tree
    n = 60
    context = LabelContext(n) if context is None else context
    try:
        function = label_function(text, tree, context=context)
    except InputError as error:
        return [_check("it keeps its contract", False, str(error))]
    leaf = torch.arange(n).remainder(tree.n_leaves)[None]
    tag = torch.linspace(0, 1 - 1e-9, n, dtype=torch.float64)[None]
    samples = _Labelled(leaf, tag, torch.arange(n)[None])
    labels = function.assign(samples)
    maker = LABEL_FUNCTIONS[kind_of(text)]
    p = None if function.placeholder else function.probability()
    of_samples = context.embedding is not None  # clusters of this set, not of other samples
    return [
        _check("it keeps its contract", True, f"{function.n_classes} classes of {tree.n_leaves} leaves"),
        _check("its name gives it again", _gives(function, tree, context), function.name),
        _check("its usage is documented", bool(maker.usage), maker.usage),
        _check("labels have the samples' shape", labels.shape == leaf.shape, f"{tuple(labels.shape)}"),
        _check(
            "labels lie in 0 … n_classes − 1",
            bool((labels >= 0).all() and (labels < function.n_classes).all()),
            f"{int(labels.min())} … {int(labels.max())} of {function.n_classes}",
        ),
        _check("the same samples get the same labels", torch.equal(labels, function.assign(samples)), "asked twice"),
        _check(
            "probabilities of labels sum to 1",
            p is None or torch.allclose(p.sum(1), torch.ones(tree.n_leaves, dtype=p.dtype)),
            "placeholder" if p is None else f"{tuple(p.shape)}",
        ),
        *([] if p is None or of_samples or function.multi_labels is not None else [_frequencies(function, p, n)]),
    ]


def _frequencies(function: LabelFunction, p: torch.Tensor, n: int) -> Check:
    """Whether each leaf's samples get labels as often as `LabelFunction.probability` says: predictions are made from it."""
    name, each = "labels are as frequent as it says", _OF_A_LEAF
    leaf = torch.arange(len(p)).repeat_interleave(each)[None]
    tag = torch.rand(leaf.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = function.assign(_Labelled(leaf, tag, torch.arange(leaf.numel()).remainder(n)[None]))
    if labels.shape != leaf.shape:
        return _check(name, False, f"labels {tuple(labels.shape)} of samples {tuple(leaf.shape)}")
    found = torch.zeros_like(p).index_put_((leaf[0], labels[0].clamp(0, p.shape[1] - 1)), p.new_ones(()), accumulate=True) / each
    beyond = (found - p).abs() - _STANDARD_ERRORS * (p * (1 - p) / each).sqrt()
    at, label = divmod(int(beyond.argmax()), p.shape[1])
    return _check(
        name,
        bool(beyond.max() <= 1e-12),
        f"leaf {at}: label {label} has a share of {found[at, label]:.3g}, and of {p[at, label]:.3g} by leaf_label and n_splits",
    )


def _gives(function: LabelFunction, tree: LabelTree, context: LabelContext) -> bool:
    """Whether the name of a label function is a text that makes the same one."""
    try:
        again = label_function(function.name, tree, context=context)
    except InputError:
        return False
    same = (again.name, again.n_classes) == (function.name, function.n_classes)
    return same and torch.equal(again.leaf_label, function.leaf_label)


_OF_A_LEAF = 3000
"""Samples of each leaf whose labels are counted."""
_STANDARD_ERRORS = 7.0
"""By which shares may differ from probabilities: a right function fails in fewer than one of 10⁹ counts. The seed is fixed."""


@dataclasses.dataclass(frozen=True)
class _Labelled:
    """Samples that are looked at by label functions alone."""

    labelled_leaf: torch.Tensor
    tag: torch.Tensor
    index: torch.Tensor


def check_readout(name: str, config: Config) -> list[Check]:
    """A readout on freshly initialised networks of a configuration: probabilities that sum to 1, the same each time."""
    training = Training(config)
    batch = training.test_sampler.sample(training.streams("check"), 8, next(iter(training.law.kinds)))
    found: list[Check] = []
    with torch.no_grad():
        for network, model in training.models.items():
            answer = READOUTS[name].fit(training, model)
            heads = model.engine.heads(batch)
            one, again = answer(batch, heads), answer(batch, heads)
            wanted = (config.replicas, 8, training.target.n_classes)
            total = one.sum(-1)
            found += [
                _check(
                    f"{network}: one answer for each coarse class",
                    tuple(one.shape) == wanted,
                    f"{tuple(one.shape)}, not {wanted}",
                ),
                _check(f"{network}: probabilities", bool((one >= 0).all() and ((total - 1).abs() < 1e-5).all()), "sum to 1"),
                _check(f"{network}: the same answers each time", torch.equal(one, again), "asked twice"),
            ]
    return found


def check_engine(name: str, config: Config) -> list[Check]:
    """An engine on a configuration: its shapes, two steps, state and restoration between them, and a copy for finetuning.

    Args:
        name: as ``training.engine`` takes it.
        config: any configuration that the engine covers.
    """
    config = config.replace({"training.engine": name})
    training, again = Training(config), Training(config)
    found: list[Check] = []
    with torch.no_grad():
        for network, model in training.models.items():
            engine, twin = model.engine, again.models[network].engine
            batch = training.next_batch()
            labels = model.labels.assign(batch)
            before = engine.heads(batch)
            first = engine.step(batch, labels)
            # The state is taken after a step: before it, the twin has it without being restored.
            state = {key: value.clone() for key, value in engine.state().items()}
            report = engine.step(batch, labels)
            moved = engine.heads(batch)
            twin.restore(state)
            replay = twin.step(batch, labels)
            restored = twin.heads(batch)
            own = engine.regrouped(1e-3, training.parents(model))
            own.step(batch, training.target.assign(batch))
            heads = (config.replicas, config.batch, model.labels.n_classes)
            found += [
                _check(f"{network}: is an engine", isinstance(engine, Engine) and ENGINES[name] is type(engine), name),
                _check(f"{network}: one output for each head", tuple(before.shape) == heads, f"{tuple(before.shape)}"),
                _check(f"{network}: losses are finite", bool(first.loss.isfinite().all()), f"{first.loss.tolist()}"),
                _check(f"{network}: a step moves the network", not torch.equal(before, moved), "outputs before and after"),
                _check(
                    f"{network}: state and restoration give the same step",
                    torch.equal(report.loss, replay.loss) and torch.equal(moved, restored),
                    "losses and outputs",
                ),
                _check(f"{network}: a copy leaves the network as it is", torch.equal(moved, engine.heads(batch)), "finetuned"),
                _check(
                    f"{network}: correlations of every feature",
                    engine.correlation(training.dictionary).shape[-1] == training.law.n_features,
                    f"{training.law.n_features} features",
                ),
            ]
    return found


def check_claim(claim: Claim, results: Results) -> list[Check]:
    """A claim on results: a full sentence, an estimate in its interval, a finite bound, the same verdict each time."""
    sentence = claim.statement[:1].isupper() and claim.statement.endswith(".")
    found = [_check(f"{claim.id}: a full sentence", sentence, claim.statement)]
    try:
        one, again = claim.evaluate(results), claim.evaluate(results)
    except (InputError, ArithmeticError, LookupError, ValueError) as error:
        return [*found, _check(f"{claim.id}: is evaluated", False, f"{type(error).__name__}: {error}")]
    return [
        *found,
        _check(f"{claim.id}: is evaluated", True, str(one)),
        _check(f"{claim.id}: the bound is finite", math.isfinite(one.bound), f"{one.bound}"),
        _check(f"{claim.id}: says how its interval was made", bool(one.estimate.method), one.estimate.method),
        _check(f"{claim.id}: the same verdict each time", one.holds == again.holds and str(one) == str(again), str(again)),
    ]


def check_theory(config: Config, results: Results | None = None) -> list[Check]:
    """A theory at a configuration: its law, its label functions, its regime, and on results its claims.

    Args:
        config: a small configuration of the theory.
        results: of a run of it; claims are left out without it.
    """
    theory = theory_of(config)
    found = [_check("registered under its name", theory.name in THEORIES, theory.name), *check_law(config)]
    for line in theory.regime(config):
        ends = [end for end in (line.low, line.high) if end is not None]
        found.append(
            _check(f"regime: {line.assumption}", bool(ends) and not np.isnan(line.value) and bool(line.source), str(line))
        )
    claims = claims_of(config)
    if results is not None:
        found += [check for claim in claims for check in check_claim(claim, results)]
    ids = [claim.id for claim in claims]
    found.append(_check("claims have distinct ids", len(set(ids)) == len(ids), f"{len(ids)} claims"))
    return found


def _check(name: str, passed: bool, finding: str) -> Check:
    return Check(name, finding, bool(passed))

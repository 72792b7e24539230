"""A user's objects, tried out before training: their values are compared with their contracts while nothing is lost yet.

What training itself calls before its first step needs no trial: label functions, readouts that are not fitted, and recorded
functions are called then anyway. The package's own objects are not tried. No random number of the run is used up: a trial
has streams of its own.
"""

from torch import Tensor

from theory_sim.data.law import SampledLaw
from theory_sim.runtime.contracts import ENGINES, READOUTS
from theory_sim.runtime.returned import expect_tensor, expect_type
from theory_sim.training.engines.base import Engine
from theory_sim.training.engines.lucky.certificate import Certificate
from theory_sim.training.readouts import fitted
from theory_sim.training.trainer import Model, Training

_FEW = 2
"""Samples that an engine is tried on."""


def try_out(training: Training) -> None:
    """Try the law's own sampling, the engine and the readouts that are fitted, where they are a user's.

    Raises:
        InputError: one gives something else than its contract says.
    """
    if isinstance(training.law, SampledLaw):  # each batch of a new size or kind is checked when it is drawn
        training.draw_batch(training.streams("check"), training.config.batch)
        for kind in training.kinds:
            next(iter(training.test_batches(kind)))
    for model in training.models.values():
        if not ENGINES.entry(training.config.training.engine).is_core:
            _try_engine(training, model)
        for name in training.config.transfer.readouts:
            # A quick one is looked at before the first step anyway.
            if not READOUTS.entry(name).is_core and not READOUTS[name].quick:
                batch = training.curve_batch(training.kinds[0])
                fitted(name, training, model)(batch, model.engine.heads(batch))


def _try_engine(training: Training, model: Model) -> None:
    """All that a run reads of an engine but its steps, which are checked when the first is made."""
    engine, what = model.engine, ENGINES.named(training.config.training.engine)
    batch = training.curve_batch(training.kinds[0]).slice(0, _FEW)
    replicas, samples, heads = *batch.leaf.shape, model.labels.n_classes
    expect_tensor(f"{what}: bias", engine.bias, (replicas, heads, -1))
    neurons = engine.bias.shape[-1]
    for name, value in (("output", engine.output), ("norm", engine.norm())):
        expect_tensor(f"{what}: {name}", value, (replicas, heads, neurons))
    correlation = engine.correlation(training.dictionary)
    expect_tensor(f"{what}: correlation", correlation, (replicas, heads, neurons, training.law.n_features))
    for name, value in (("heads", engine.heads(batch)), ("logits", engine.logits(batch))):
        expect_tensor(f"{what}: {name}", value, (replicas, samples, heads))
    expect_tensor(f"{what}: activity", engine.activity(batch), (replicas, samples, heads, neurons))
    state = engine.state()
    expect_type(f"{what}: state", state, dict)
    for name, value in state.items():
        expect_type(f"{what}: state: {name}", value, Tensor)
    expect_type(f"{what}: certificate", engine.certificate(), Certificate, type(None))
    own = engine.regrouped(training.config.transfer.step_size, training.parents(model))
    expect_type(f"{what}: regrouped", own, Engine)

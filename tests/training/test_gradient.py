"""The engine `gradient`: its derivatives against autograd, its steps against plain loops, phases, groups, runs and resumption."""

from itertools import product

import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import theory_sim as ts
from theory_sim import testing
from theory_sim.config import load_config
from theory_sim.runtime.errors import InputError
from theory_sim.training.engines.gradient import GradientEngine, GradientSettings, balanced_rows
from theory_sim.training.network import Parameters, TwoLayerConvNet
from theory_sim.training.nonlinearity import RELU_SUM
from theory_sim.training.trainer import Training

SMALL = [
    "replicas=2",
    "tree.subclasses=2",
    "data.dim=9",
    "data.patches=7",
    "data.feature_patches=2",
    "data.noise=0.6",
    "data.training_samples=8",
    "network.neurons=3",
    "network.init_std=0.3",
    "network.threshold=0.5",
    "training.batch=6",
    "training.steps=12",
    "training.step_size={coarse: 0.03, fine: 0.04}",
    "training.dtype=float64",
    "training.engine=gradient",
]
ACTIVATIONS, POOLINGS, BIASES = ("relu", "z^2", "z^3", "z^4"), ("sum", "mean"), ("scheduled", "frozen", "trained")
OPTIONS = [
    (activation, pooling, biases, output, momentum)
    for activation, pooling, biases in product(ACTIVATIONS, POOLINGS, BIASES)
    for output, momentum in ((False, 0.0), (True, 0.7))
]


def configured(activation="relu", pooling="sum", biases="scheduled", output=False, momentum=0.0, more=()):
    own = [
        f"engine.activation={activation}",
        f"engine.pooling={pooling}",
        f"engine.biases={biases}",
        f"engine.phases=[{{momentum: {momentum}}}]",
        f"network.train_output={str(output).lower()}",
    ]
    return load_config(overrides=[*SMALL, *own, *more])


@given(
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(POOLINGS),
    st.sampled_from(BIASES),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
def test_derivatives_are_those_of_autograd(activation, pooling, biases, output, patches, neurons, seed):
    """One step of size 1 without momentum is the derivative; autograd derives the module that `Results.network` gives."""
    torch.manual_seed(seed)
    heads, samples, d = 3, 5, 4
    x, labels = torch.randn(2, samples, patches, d).double(), torch.randint(heads, (2, samples))
    start = Parameters(
        *(torch.randn(2, heads, neurons, *more).double() for more in ((d,), ())), torch.rand(2, heads, neurons).double()
    )
    before = Parameters(*(getattr(start, name).clone() for name in ("weight", "bias", "output")))
    options = GradientSettings(activation=activation, pooling=pooling, biases=biases)
    engine = GradientEngine(start, options, 1.0, 0.1, train_output=output)
    labelled = _batch(x, labels)
    report = engine.step(labelled, labels)
    for r in range(2):
        module = TwoLayerConvNet.of(before, r, engine.nonlinearity)
        module.output.requires_grad_()
        with torch.enable_grad():
            loss = cross_entropy(module(x[r]), labels[r])
            loss.backward()
        assert float(report.loss[r]) == pytest.approx(loss.item(), rel=1e-9)
        close = {"rtol": 1e-8, "atol": 1e-10}
        change = start.weight[r] - before.weight[r]
        torch.testing.assert_close(change, -module.weight.grad, **close)
        expected = {"trained": -module.bias.grad, "frozen": torch.zeros(heads, neurons).double()}
        expected["scheduled"] = -0.1 * change.norm(dim=-1)
        torch.testing.assert_close(start.bias[r] - before.bias[r], expected[biases], **close)
        moved = -module.output.grad if output else torch.zeros(heads, neurons).double()
        torch.testing.assert_close(start.output[r] - before.output[r], moved, **close)


def _batch(x, coarse, kind=None):
    return ts.Batch(
        x=x,
        coarse=coarse,
        leaf=coarse,
        labelled_leaf=coarse,
        kind=torch.zeros_like(coarse) if kind is None else kind,
        content=coarse.new_full(x.shape[:3], -1),
        strength=x.new_zeros(x.shape[:3]),
        tag=x.new_zeros(x.shape[:2]),
        index=torch.arange(x.shape[1]).expand(x.shape[:2]),
    )


@pytest.mark.parametrize(("activation", "pooling", "biases", "output", "momentum"), OPTIONS)
def test_steps_are_those_of_plain_loops(activation, pooling, biases, output, momentum):
    config = configured(activation, pooling, biases, output, momentum)
    fast, data = Training(config), Training(config)
    power = None if activation == "relu" else int(activation[2:])
    names = ("weight", "bias", "output")
    slow = {
        (name, r): reference.Network(
            *(getattr(model.engine.parameters, key)[r].tolist() for key in names), power, pooling == "mean"
        )
        for name, model in fast.models.items()
        for r in range(2)
    }
    for _ in range(config.training.steps):
        reports, batch = fast.step(), data.next_batch()
        for (name, r), network in slow.items():
            labels = fast.models[name].labels.assign(batch)[r].tolist()
            eta = config.training.step_size[name]
            loss = network.step(batch.x[r].tolist(), labels, eta, config.bias_decay, output, biases, momentum)
            assert float(reports[name].loss[r]) == pytest.approx(loss, rel=1e-9)
    for (name, r), network in slow.items():
        for key in names:
            found = getattr(fast.models[name].engine.parameters, key)[r]
            expected = torch.tensor(getattr(network, key), dtype=torch.float64)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_default_settings_are_the_model_of_the_dense_engine():
    config = configured()
    own, dense = Training(config), Training(config.replace({"training.engine": "dense", "engine": {}}))
    for _ in range(5):
        first, second = own.step(), dense.step()
        for name in own.models:
            torch.testing.assert_close(first[name].loss, second[name].loss, rtol=1e-12, atol=0)
    for name, model in own.models.items():
        torch.testing.assert_close(model.engine.parameters.weight, dense.models[name].engine.parameters.weight)


def test_blocks_change_nothing_but_rounding(monkeypatch):
    whole = Training(configured("z^2", "mean", "trained", True))
    monkeypatch.setattr("theory_sim.training.engines.gradient._MOST", 60)
    parts = Training(configured("z^2", "mean", "trained", True))
    batch = whole.next_batch()
    assert len(list(parts.models["fine"].engine._blocks(batch.x))) > 4
    for training in (whole, parts):
        for model in training.models.values():
            model.engine.step(batch, model.labels.assign(batch))
    for name, model in whole.models.items():
        torch.testing.assert_close(model.engine.heads(batch), parts.models[name].engine.heads(batch), rtol=1e-12, atol=1e-14)


def test_full_batches_are_the_training_set():
    training = Training(configured(more=["training.batch=full"]))
    first, second = training.next_batch(), training.next_batch()
    assert first.index.tolist() == [list(range(8))] * 2
    assert torch.equal(first.x, second.x)


def test_a_uniform_start():
    config = configured(more=["engine.init=uniform", "engine.init_scale=2", "network.neurons=800"])
    parameters = Training(config).models["coarse"].engine.parameters
    for values in (parameters.weight, parameters.bias):
        scaled = (values / (2 / 9**0.5)).flatten()
        assert -1 <= float(scaled.min()) < -0.99 < 0.99 < float(scaled.max()) <= 1
        assert abs(float(scaled.mean())) < 5 / (3 * len(scaled)) ** 0.5
        assert float(scaled.square().mean()) == pytest.approx(1 / 3, abs=5 * (4 / 45 / len(scaled)) ** 0.5)
    assert torch.equal(parameters.output, torch.ones_like(parameters.bias))


def test_phases_follow_each_other():
    """Steps of a plain run with each phase's step size, and velocities that start at 0 in each phase."""
    phases = "[{steps: 3, momentum: 0.9}, {steps: 4, momentum: 0.5, step_size: 0.01}, {}]"
    config = configured(biases="trained", more=["training.batch=full", f"engine.phases={phases}"])
    fast = Training(config)
    engine = fast.models["coarse"].engine
    network = reference.Network(*(getattr(engine.parameters, key)[0].tolist() for key in ("weight", "bias", "output")))
    batch = fast.next_batch()
    labels = fast.models["coarse"].labels.assign(batch)[0].tolist()
    for step in range(12):
        fast.step()
        momentum, eta = ((0.9, 0.03), (0.5, 0.01), (0.0, 0.03))[0 if step < 3 else 1 if step < 7 else 2]
        if step in (3, 7):
            network.velocity = {}
        network.step(batch.x[0].tolist(), labels, eta, 0.0, biases="trained", momentum=momentum)
    expected = torch.tensor(network.weight, dtype=torch.float64)
    torch.testing.assert_close(engine.parameters.weight[0], expected, rtol=1e-10, atol=1e-13)


def test_a_balanced_subset_has_as_many_of_each_group():
    coarse = torch.tensor([[0, 0, 0, 1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, 1]])
    kind = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1, 0], [0, 1, 0, 1, 0, 1, 0, 1, 0]])
    rows, share = balanced_rows(_batch(torch.zeros(2, 9, 1, 1), coarse, kind))
    assert [row[weight > 0].tolist() for row, weight in zip(rows, share, strict=True)] == [[0, 3, 5, 6], list(range(8))]
    assert share.sum(1).tolist() == pytest.approx([1, 1])
    # Training on it is training on these samples alone.
    x = torch.randn(2, 9, 2, 3).double()
    phases = GradientSettings(phases=[{"samples": "balanced"}])
    engines = [
        GradientEngine(Parameters(w.clone(), torch.zeros(2, 2, 2).double(), torch.ones(2, 2, 2).double()), options, 0.1, 0.0)
        for w in [torch.randn(2, 2, 2, 3).double()]
        for options in (phases, GradientSettings())
    ]
    few, labels = torch.tensor([[0, 3, 5, 6]] * 2), coarse
    one = engines[0].step(_batch(x, coarse, kind), labels)
    other = engines[1].step(_batch(x, coarse, kind).take(few), labels.gather(1, few))
    assert float(one.loss[0]) == pytest.approx(float(other.loss[0]))
    torch.testing.assert_close(engines[0].parameters.weight[0], engines[1].parameters.weight[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["engine.activation=z^1"], "engine.activation"),
        (["engine.activatoin=relu"], "unknown key engine.activatoin; did you mean engine.activation"),
        (["engine.phases=[{}, {steps: 3}]"], "only the last phase"),
        (["engine.phases=[{steps: 3}]"], "their steps sum to 3, not to training.steps = 12"),
        (["engine.phases=[{samples: balanced}]"], "training.batch: full"),
        (["training.engine=dense", "engine.activation=relu"], "the engine dense has no settings of its own"),
        (["training.batch=full", "data.training_samples=0"], "training.batch: full needs a finite training set"),
    ],
)
def test_settings_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        load_config(overrides=[*SMALL, *options])


MORE = [
    "training.batch=full",
    "test={samples: 40, curve_samples: 4}",
    "training.checkpoint_every=5",
    "engine.phases=[{samples: balanced, steps: 7, momentum: 0.9}, {}]",
    "transfer.readouts=[sum_logits, linear_probe, finetuning]",
]


def test_the_conformance_suite():
    testing.require(testing.check_engine("gradient", configured("z^3", "mean", "trained", True, more=MORE)))


@pytest.mark.parametrize("killed_after", [3, 9])
def test_a_killed_run_is_resumed_to_the_same_numbers(killed_after, tmp_path):
    """In the first phase and in the second: velocities and the place among the phases are in the checkpoint."""
    config = configured("z^3", "mean", "trained", more=[*MORE, f"training.checkpoint_every={killed_after}"])
    whole = ts.run(config, tmp_path / "whole", "cpu")

    def kill(progress):
        if progress.done > killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ts.run(config, tmp_path / "killed", "cpu", kill)
    resumed = ts.run(config, tmp_path / "killed", "cpu")
    for name, record in whole.records.items():
        for variable in ("correlation", "bias", "training_loss", "test_correct"):
            assert np.array_equal(record[variable].values, resumed.records[name][variable].values), variable


def test_all_that_reads_a_network_knows_its_activation(tmp_path):
    """Responses, the module, heads of the engine, and a test on other samples; each against its definition."""
    config = configured("z^3", "mean", "trained", more=MORE)
    results = ts.run(config, tmp_path, "cpu")
    record, module = results.coarse, results.network("coarse", 1)
    end = record.isel(step=-1)
    by_hand = ((end.correlation + end.bias) ** 3).sum("neuron").transpose("replica", "head", "feature")
    np.testing.assert_allclose(end.response.values, by_hand.values, rtol=1e-9, atol=1e-12)
    vectors = torch.eye(record.sizes["feature"], 9).double()
    np.testing.assert_allclose(module(vectors[:, None]).detach().T, end.response.values[1], rtol=1e-9, atol=1e-12)
    training = Training(config)
    tensors = {
        f"{name}/{key}": torch.stack([results.network(name, r).state_dict()[key] for r in range(2)])
        for name in config.networks
        for key in ("weight", "bias", "output")
    }
    training.restore_networks(tensors | {f"{name}/steps_done": torch.tensor(12) for name in config.networks} | _still(tensors))
    batch = next(iter(training.test_batches("easy")))
    torch.testing.assert_close(training.models["coarse"].engine.heads(batch)[1], module(batch.x[1]).detach())
    right = ts.evaluate_on(results, config).test_correct.sel(model="coarse", kind="easy", test_readout="sum_logits")
    assert (right[1] == (module(batch.x[1]).argmax(-1) == batch.coarse[1]).double().numpy()).all()
    assert training.models["coarse"].engine.nonlinearity != RELU_SUM


def _still(tensors):
    return {f"{key.partition('/')[0]}/velocity_{key.partition('/')[2]}": torch.zeros_like(v) for key, v in tensors.items()}


def test_fit_takes_the_engine_and_its_settings():
    torch.manual_seed(0)
    x = torch.randn(30, 2, 5)
    labels = (x[:, :, 0].sum(1) > 0).long()
    record = ts.fit(
        x,
        labels,
        torch.eye(1, 5),
        neurons=4,
        steps=60,
        batch="full",
        init_std=0.3,
        threshold=0.0,
        engine="gradient",
        options={"activation": "z^3", "biases": "trained", "phases": [{"momentum": 0.9}]},
        device="cpu",
    )
    assert record.sizes["sample"] == 30
    assert float(record.training_loss[:, -1].mean()) < 0.5 * float(record.training_loss[:, 0].mean())
    end = record.isel(step=-1)
    np.testing.assert_allclose(end.response, ((end.correlation + end.bias) ** 3).sum("neuron"), rtol=1e-4, atol=1e-5)


def test_errors_may_be_measured_against_noisy_labels():
    config = configured(more=["data.label_noise=0.8", "test.noisy_labels=true"])
    noisy, plain = Training(config), Training(config.replace({"test.noisy_labels": False}))
    first, second = (next(iter(training.test_batches("easy"))) for training in (noisy, plain))
    tree = noisy.law.tree
    assert torch.equal(first.coarse, tree.coarse_of_leaf[first.labelled_leaf])
    assert torch.equal(second.coarse, tree.coarse_of_leaf[second.leaf])
    assert not torch.equal(first.coarse, second.coarse)


@given(testing.gradient_settings(steps=12), st.integers(0, 1000))
def test_any_settings_keep_the_contract(settings, seed):
    config = load_config(overrides=[*SMALL, "training.batch=full", f"seed={seed}"], engine=settings)
    testing.require(testing.check_engine("gradient", config))


@given(testing.gradient_settings(steps=6), st.booleans(), st.integers(0, 1000))
def test_training_with_any_settings_is_that_of_autograd_and_pytorchs_sgd(settings, output, seed):
    """All phases, with momentum, balanced subsets and every rule for biases; the module's derivatives are autograd's."""
    own = ["training.batch=full", "training.steps=6", f"seed={seed}", f"network.train_output={output}", "data.hard_share=0.4"]
    training = Training(load_config(overrides=[*SMALL, *own], engine=settings))
    model, batch = training.models["fine"], training.next_batch()
    engine, labels = model.engine, model.labels.assign(batch)
    names = ["weight", *["bias"] * (settings["biases"] == "trained"), *["output"] * output]
    start = Parameters(*(getattr(engine.parameters, name).clone() for name in ("weight", "bias", "output")))
    phases = settings["phases"]
    phase_of = [phases[0] if step < (phases[0].get("steps") or 0) else phases[-1] for step in range(6)]
    for _ in range(6):
        engine.step(batch, labels)
    for r in range(2):
        module = TwoLayerConvNet.of(start, r, engine.nonlinearity)
        values = {name: getattr(module, name).requires_grad_(name in names) for name in ("weight", "bias", "output")}
        for step, phase in enumerate(phase_of):
            if step == 0 or phase is not phase_of[step - 1]:
                eta = phase.get("step_size") or training.config.training.step_size["fine"]
                sgd = torch.optim.SGD([values[name] for name in names], eta, phase["momentum"])
            rows = balanced(batch.coarse[r], batch.kind[r]) if phase["samples"] == "balanced" else slice(None)
            sgd.zero_grad()
            with torch.enable_grad():
                cross_entropy(module(batch.x[r, rows]), labels[r, rows]).backward()
            before = module.weight.detach().clone()
            sgd.step()
            if settings["biases"] == "scheduled":
                moved = (module.weight.detach() - before).norm(dim=-1)
                module.bias.data -= training.config.bias_decay * moved
        for name, value in values.items():
            found = getattr(engine.parameters, name)[r]
            torch.testing.assert_close(found, value.detach(), rtol=1e-7, atol=1e-10, equal_nan=True)


def balanced(coarse, kind):
    """The first samples of each class and kind, as many as the smallest of these groups has."""
    groups = {}
    for row, group in enumerate(zip(coarse.tolist(), kind.tolist(), strict=True)):
        groups.setdefault(group, []).append(row)
    least = min(map(len, groups.values()))
    return sorted(row for rows in groups.values() for row in rows[:least])

"""The network and its trainer: closed form against autograd, batched against single, listed against dense."""

import numpy as np
import pytest
import torch

from theory_sim.config import load_config
from theory_sim.data.sampler import Batch
from theory_sim.runs.run import run
from theory_sim.theories.theory import evaluate_claims
from theory_sim.training.engines import dense
from theory_sim.training.engines.base import HeadGroups
from theory_sim.training.engines.dense import DenseEngine
from theory_sim.training.engines.firing import DenseFiring, ListedFiring, firing
from theory_sim.training.network import Parameters, TwoLayerConvNet
from theory_sim.training.trainer import Training, log_spaced_steps

MODELS = ("coarse", "fine")

SMALL = [
    "tree.subclasses=3",
    "data.dim=16",
    "data.patches=10",
    "data.feature_patches=2",
    "network.neurons=6",
    "network.threshold=1.0",
    "training.batch=12",
    "training.dtype=float64",
]


def make(*overrides, device="cpu"):
    return Training(load_config(overrides=[*SMALL, *overrides]), device)


def close(a, b, tolerance=1e-12):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()))


def part(engine, r):
    """The engine of one replica alone."""
    p = engine.parameters
    own = Parameters(*(getattr(p, key)[r : r + 1].clone() for key in ("weight", "bias", "output")))
    return DenseEngine(own, engine.step_size, engine.bias_decay, engine.train_output)


def only(batch, r):
    """The batch of one replica."""
    return Batch(**{key: value[r : r + 1] for key, value in vars(batch).items()})


@pytest.mark.usefixtures("step")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("threshold", [0.0, 1.0])
@pytest.mark.parametrize("trained", [True, False])
def test_autograd_agrees_with_the_closed_form(model, threshold, trained, device):
    training = make("replicas=2", f"network.threshold={threshold}", f"network.train_output={trained}", device=device)
    engine, batch = training.models[model].engine, training.next_batch()
    labels = training.models[model].labels.assign(batch)
    for r in range(2):
        network = TwoLayerConvNet.of(engine.parameters, r)
        network.output.requires_grad_()
        loss = torch.nn.functional.cross_entropy(network(batch.x[r]), labels[r])
        loss.backward()
        one = part(engine, r)
        report = one.step(only(batch, r), labels[r : r + 1])
        close(report.loss[0], loss.detach())
        close(one.parameters.weight[0], network.weight.detach() - one.step_size * network.weight.grad)
        close(one.parameters.output[0], network.output.detach() - trained * one.step_size * network.output.grad)
        moved = one.step_size * network.weight.grad.norm(dim=-1)
        close(one.parameters.bias[0], network.bias.detach() - one.bias_decay * moved)


@pytest.mark.usefixtures("step")
@pytest.mark.parametrize("block", [1, 2**10, 2**30])
@pytest.mark.parametrize("model", MODELS)
def test_batched_replicas_equal_single_runs(model, block, monkeypatch, device):
    """However the replicas are blocked, each ends where it ends alone."""
    monkeypatch.setattr(dense, "BLOCK", block)
    training = make("replicas=5", device=device)
    engine, labels = training.models[model].engine, training.models[model].labels
    alone = [part(engine, r) for r in range(5)]
    for _ in range(8):
        batch = training.next_batch()
        report = engine.step(batch, labels.assign(batch))
        for r, one in enumerate(alone):
            single = one.step(only(batch, r), labels.assign(batch)[r : r + 1])
            close(report.loss[r : r + 1], single.loss)
            close(report.update[r : r + 1], single.update)
    for r, one in enumerate(alone):
        for key in ("weight", "bias"):
            close(getattr(engine.parameters, key)[r], getattr(one.parameters, key)[0])
        close(engine.heads(batch)[r], one.heads(only(batch, r))[0])
        close(engine.activity(batch)[r], one.activity(only(batch, r))[0])


@pytest.mark.usefixtures("step")
def test_more_replicas_than_samples():
    """Each ends where it ends alone, with a batch of two."""
    training = make("replicas=5", "training.batch=2")
    for model in training.models.values():
        engine, batch = model.engine, training.next_batch()
        alone = [part(engine, r) for r in range(5)]
        labels = model.labels.assign(batch)
        report = engine.step(batch, labels)
        for r, one in enumerate(alone):
            single = one.step(only(batch, r), labels[r : r + 1])
            close(report.update[r : r + 1], single.update)
            close(engine.parameters.weight[r], one.parameters.weight[0])


@pytest.mark.usefixtures("step")
def test_a_replica_does_not_depend_on_how_many_there_are(device):
    many, one = make("replicas=4", "data.basis=rotated", device=device), make("replicas=1", "data.basis=rotated", device=device)
    for _ in range(5):
        many.step(), one.step()
    for name in MODELS:
        for key in ("weight", "bias"):
            close(getattr(many.models[name].engine.parameters, key)[:1], getattr(one.models[name].engine.parameters, key))
    different = many.models["fine"].engine.parameters.weight
    assert (different[0] - different[1]).norm() > 0.1 * different[0].norm()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_listed_and_dense_firing_give_the_same_sums(share, monkeypatch):
    generator = torch.Generator().manual_seed(1)
    pre = torch.randn(3, 4, 5, 7, generator=generator, dtype=torch.float64)
    pre = torch.where(torch.rand(pre.shape, generator=generator) < share, pre.abs(), -pre.abs())
    monkeypatch.setattr("theory_sim.training.engines.firing._FEW", 2.0)
    listed = firing(pre.clone())
    assert isinstance(listed, ListedFiring)
    whole = DenseFiring(pre.relu())
    slope = torch.randn(3, 4, 1, generator=generator, dtype=torch.float64)
    output = torch.randn(3, 1, 7, generator=generator, dtype=torch.float64)
    x = torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(listed.activity(), whole.activity())
    torch.testing.assert_close(listed.heads(output), whole.heads(output))
    torch.testing.assert_close(listed.gradient(slope, output, x), whole.gradient(slope, output, x))
    monkeypatch.undo()
    assert isinstance(firing(pre.clone()), ListedFiring if share < 0.1 else DenseFiring)


@pytest.mark.parametrize("size", [1, 30])
def test_a_nan_is_not_lost_where_few_fire(size):
    """It must reach the loss, which stops the run; only ReLU of a number is 0 below 0."""
    pre = -torch.ones(1, size, 2, 3)
    pre[0, 0, 1, 2] = float("nan")
    activity = firing(pre).activity()
    assert activity.isnan().sum() == 1
    assert activity[0, 0, 2].isnan()


def test_module_and_engine_compute_the_same_network(device):
    training = make("replicas=3", device=device)
    for _ in range(5):
        training.step()
    batch = training.next_batch()
    for model in training.models.values():
        for r in range(3):
            close(TwoLayerConvNet.of(model.engine.parameters, r)(batch.x[r]).detach(), model.engine.heads(batch)[r])


def test_single_and_double_precision_agree():
    """Rounding, about 1e-7 a number, grows little over a few steps: far below any effect of training."""
    double, single = make("training.dtype=float64"), make("training.dtype=float32")
    for a, b in zip(double.models.values(), single.models.values(), strict=True):
        b.engine.parameters.weight.copy_(a.engine.parameters.weight)
        batch = double.next_batch()
        start = a.engine.parameters.weight.clone()
        narrow = Batch(**{k: v.float() if v.dtype == torch.float64 else v for k, v in vars(batch).items()})
        a.engine.step(batch, a.labels.assign(batch)), b.engine.step(narrow, b.labels.assign(narrow))
        change = (a.engine.parameters.weight - start).norm()
        assert change > 0
        assert (a.engine.parameters.weight - b.engine.parameters.weight.double()).norm() < 1e-5 * change


@pytest.mark.usefixtures("step")
def test_state_and_restore_go_on_to_the_same_bits(device):
    straight, broken = make(device=device), make(device=device)
    for _ in range(4):
        straight.step(), broken.step()
    later = make(device=device)
    later.restore({key: value.clone() for key, value in broken.state().items()})
    for _ in range(4):
        straight.step(), later.step()
    assert later.steps_done == 8
    for key, value in straight.state().items():
        assert torch.equal(value, later.state()[key]), key


def test_finite_training_set_is_used_again_and_again():
    training = make("data.training_samples=7", "data.label_noise=0.5", "labels.fine=sample-id", "replicas=2")
    seen = {}
    for _ in range(6):
        batch = training.next_batch()
        assert (training.models["fine"].labels.assign(batch) == batch.index).all()
        for r in range(2):
            for b in range(12):
                key = (r, int(batch.index[r, b]))
                truth = (batch.x[r, b], batch.labelled_leaf[r, b])
                if key in seen:
                    assert torch.equal(truth[0], seen[key][0])
                    assert torch.equal(truth[1], seen[key][1])
                seen[key] = truth
    assert sorted(seen) == [(r, i) for r in range(2) for i in range(7)]
    assert not torch.equal(seen[0, 0][0], seen[1, 0][0])


def test_fresh_samples_are_fresh():
    training = make()
    first, second = training.next_batch(), training.next_batch()
    assert not torch.equal(first.x, second.x)


def test_both_models_see_the_same_samples_with_their_own_labels():
    training = make("replicas=2")
    batch = training.next_batch()
    coarse, fine = (training.models[name].labels.assign(batch) for name in MODELS)
    assert torch.equal(coarse, batch.coarse)
    assert torch.equal(fine, batch.leaf)


def test_separate_seeds():
    """Each seed changes its own part and nothing else."""
    parts = {
        "dictionary": lambda t: t.dictionary.vectors,
        "data": lambda t: t.next_batch().strength,
        "init": lambda t: t.models["fine"].engine.parameters.weight,
    }
    base = {name: look(make("data.basis=rotated")) for name, look in parts.items()}
    for changed in parts:
        other = make("data.basis=rotated", f"seeds.{changed}=7")
        for name, look in parts.items():
            assert torch.equal(look(other), base[name]) == (name != changed), (changed, name)
    assert not any(torch.equal(look(make("data.basis=rotated", "seed=7")), base[name]) for name, look in parts.items())


def test_finetuning_trains_the_sum_of_heads(device):
    """Autograd through the summed logits agrees with the regrouped engine, and the model itself stays as it was."""
    training = make("replicas=1", device=device)
    model, batch = training.models["fine"], training.next_batch()
    before = model.engine.parameters.weight.clone()
    group = training.parents(model)
    assert group.of.tolist() == [0, 0, 0, 1, 1, 1]
    tuned = model.engine.regrouped(0.05, group)
    tuned.step(batch, batch.coarse)
    network = TwoLayerConvNet.of(model.engine.parameters, 0)
    heads = network(batch.x[0])
    torch.nn.functional.cross_entropy(torch.stack([heads[:, :3].sum(1), heads[:, 3:].sum(1)], 1), batch.coarse[0]).backward()
    close(tuned.parameters.weight[0], network.weight.detach() - 0.05 * network.weight.grad)
    assert torch.equal(model.engine.parameters.weight, before)


def test_group_sums_keep_empty_groups():
    sums = HeadGroups(torch.tensor([0, 2, 0]), 4).sum(torch.tensor([[1.0, 2.0, 3.0]]))
    assert sums.tolist() == [[4.0, 0.0, 2.0, 0.0]]


@pytest.mark.parametrize(
    ("steps", "points", "expected"), [(0, 12, [0]), (1, 12, [0, 1]), (8, 4, [0, 1, 2, 4, 8]), (100, 1, [0, 1, 100])]
)
def test_log_spaced_steps(steps, points, expected):
    assert log_spaced_steps(steps, points) == expected


def test_each_replica_clusters_its_own_training_set():
    """Without noise the mean patches of a leaf are one point but for the strengths: k-means finds the leaves."""
    sets = ["data.training_samples=90", "data.noise=0", "replicas=3"]
    whole, within = (make(*sets, f"labels.fine={text}") for text in ("cluster(6)", "cluster-within(3)"))
    batch = whole.next_batch()
    for training in (whole, within):
        labels = training.models["fine"].labels
        assert labels.n_classes == 6
        assert labels.placeholder
        found = labels.assign(batch)
        for r in range(3):
            pairs = set(zip(found[r].tolist(), batch.leaf[r].tolist(), strict=True))
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}), "a cluster is a leaf"
    labels = within.models["fine"].labels
    assert torch.equal(labels.parent[labels.assign(batch)], batch.coarse)
    tables = [whole.models["fine"].labels.assign(batch)[r].tolist() for r in range(3)]
    assert tables[0] != tables[1]


@pytest.mark.parametrize(
    ("labels", "inside", "purity"),
    [("leaf", 1, 1), ("misaligned(3)", 0, 0.5), ("random(6)", 0, 0.5), ("split(1, 2)", 1, 1), ("cluster-within(3)", 1, 1)],
)
def test_alignment_with_the_coarse_target(labels, inside, purity):
    """Of 2000 samples, whose shares are uncertain by a hundredth; a label's most frequent class has a little over one half."""
    training = make(f"labels.fine={labels}", "data.training_samples=2000" if "cluster" in labels else "seed=0")
    found = training.alignment(training.models["fine"])
    assert (found.n_classes, found.inside) == (training.models["fine"].labels.n_classes, inside)
    assert found.purity == pytest.approx(purity, abs=0.04)
    assert found.samples_per_class == 2000 / found.n_classes
    assert (found.adjusted_mutual_information > 0.1) == (purity == 1)


def test_growth_of_clusters_is_no_number(tmp_path):
    config = load_config(
        overrides=[
            *SMALL,
            "data.training_samples=60",
            "labels.fine=cluster(6)",
            "training.steps=2",
            "test.samples=10",
            "replicas=2",
        ]
    )
    decided = {claim.id: claim for claim in evaluate_claims(run(config, tmp_path, "cpu"))}
    assert decided["fine-rare-growth"].estimate.method == "no leaf has a rare feature and a head of its own"
    assert not decided["fine-rare-growth"].holds
    assert np.isfinite(decided["coarse-rare-growth"].estimate.value)

"""The theory-scale engine: number by number against the dense one on the neurons it draws, and what it must refuse."""

import numpy as np
import pytest
import torch
from scipy import stats

from theory_sim.config import load_config
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.setup import law_of
from theory_sim.runs.run import run
from theory_sim.runtime import memory
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.streams import streams
from theory_sim.runtime.threads import cores_share_blocks
from theory_sim.training.engines.dense import DenseEngine
from theory_sim.training.engines.lucky.candidates import counts, draw, tail
from theory_sim.training.engines.lucky.certificate import feature_bound, largest_cut, noise_bound
from theory_sim.training.engines.lucky.design import Design
from theory_sim.training.network import Parameters
from theory_sim.training.trainer import Training

MODELS = ("coarse", "fine")

SMALL = [
    "training.engine=lucky",
    "training.dtype=float64",
    "replicas=2",
    "tree.subclasses=3",
    "data.dim=24",
    "data.patches=12",
    "data.feature_patches=2",
    "data.noise=0.04",
    "hard.noise=0",
    "network.neurons=3000",
    "network.threshold=3.2",
    "network.init_std=0.03",
    "training.batch=20",
    "training.steps=12",
    "training.step_size.coarse=0.1",
    "training.step_size.fine=0.3",
    "test.samples=50",
    "test.curve_samples=20",
]
VARIANTS = {
    "default": [],
    "rotated": ["data.basis=rotated"],
    "independent patches": ["data.patch_law=independent", "data.feature_noise_patches=1"],
    "weak, mixed with hard": ["hard.common=weak", "data.hard_share=0.5", "hard.noise=0.2"],
    "trained outputs": ["network.train_output=true"],
    "no noise": ["data.noise=0"],
}


def make(*overrides, **values):
    return Training(load_config(overrides=[*SMALL, *overrides], **values))


def twin(engine):
    """A dense engine that holds the same neurons."""
    p = engine.parameters
    own = Parameters(p.weight.clone(), p.bias.clone(), p.output.clone())
    twin = DenseEngine(own, engine.step_size, engine.bias_decay, engine.train_output)
    twin._head_groups = engine._head_groups
    return twin


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()))


def same(lucky, dense, training):
    close(lucky.parameters.weight, dense.parameters.weight)
    for part in ("bias", "output"):
        close(getattr(lucky, part), getattr(dense, part))
    close(lucky.norm(), dense.norm())
    close(lucky.correlation(training.dictionary), dense.correlation(training.dictionary))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", MODELS)
def test_its_steps_are_the_dense_engines_on_the_same_neurons(model, variant):
    """Which neuron meets which patch is a matter of speed alone: no firing pair is missed."""
    training = make(*VARIANTS[variant])
    lucky, labels = training.models[model].engine, training.models[model].labels
    dense, start = twin(lucky), lucky.parameters.weight.clone()
    for _ in range(12):
        batch = training.next_batch()
        a, b = lucky.step(batch, labels.assign(batch)), dense.step(batch, labels.assign(batch))
        close(a.loss, b.loss), close(a.update, b.update)
    same(lucky, dense, training)
    moved = (lucky.parameters.weight != start).any(-1)
    assert 0.01 < moved.double().mean() < 0.9
    hard = training.sampler.sample(training.streams("test hard"), 30, 1.0)
    close(lucky.heads(hard), dense.heads(hard)), close(lucky.activity(hard), dense.activity(hard))
    assert lucky.heads(hard).abs().max() > 0


def test_finetuning_is_the_dense_engines_and_leaves_the_model_as_it_is():
    training = make()
    model = training.models["fine"]
    before = model.engine.parameters.weight.clone()
    lucky = model.engine.regrouped(0.2, training.parents(model))
    dense = twin(lucky)
    for _ in range(5):
        batch = training.next_batch()
        lucky.step(batch, batch.coarse), dense.step(batch, batch.coarse)
        close(lucky.logits(batch), dense.logits(batch))
    same(lucky, dense, training)
    assert torch.equal(model.engine.parameters.weight, before)


def test_a_trained_neuron_near_another_feature_meets_its_patches():
    """One that moved may be fired by features that it was not drawn near."""
    training = make("replicas=1")
    engine, batch = training.models["fine"].engine, training.next_batch()
    c, quiet = engine.drawn[0], engine.heads(batch)
    row = 0
    feature = int((~c.near[row]).nonzero()[-1])
    c.weight[row] += 3 * engine.design.std * engine.design.threshold * training.dictionary.vectors[0, feature]
    c.moved[row] = True
    c.look_again(torch.tensor([row]), training.dictionary.vectors[0])
    loud = engine.heads(batch)
    assert (batch.content == feature).any()
    assert (loud - quiet).abs().max() > engine.design.std
    close(loud, twin(engine).heads(batch))


def test_samples_leave_out_pure_noise_and_nothing_else():
    lucky = make("hard.noise=0.2", "data.feature_noise_patches=1").sampler
    full = Training(load_config(overrides=[*SMALL, "hard.noise=0.2", "data.feature_noise_patches=1", "training.engine=dense"]))
    for hard_share in (0.0, 1.0):
        a = lucky.sample(full.streams("check"), 40, hard_share)
        b = full.sampler.sample(full.streams("check"), 40, hard_share)
        assert (a.content != NOISE).all()
        for name in ("coarse", "leaf", "labelled_leaf", "hard", "tag", "index"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name
        for held in ((b.content != NOISE),):
            assert torch.equal(a.content.flatten(), b.content[held])
            assert torch.equal(a.strength.flatten(), b.strength[held])
        residual = a.x.clone()
        full.dictionary.add_to(residual, a.content, -a.strength)
        for which, norm in ((a.content >= 0, 0.04), (a.content == DOMINANT_NOISE, 0.2)):
            if which.any():
                z = residual[which].flatten() * np.sqrt(24) / norm
                assert stats.kstest(z.numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("law", ["fixed", "independent"])
def test_a_replica_does_not_depend_on_how_many_there_are(law):
    many, one = make(f"data.patch_law={law}", replicas=3), make(f"data.patch_law={law}", replicas=1)
    for _ in range(4):
        many.step(), one.step()
    for name in MODELS:
        a, b = many.models[name].engine.drawn, one.models[name].engine.drawn
        assert torch.equal(a[0].weight, b[0].weight)
        assert len(a[0].bias) != len(a[1].bias) or not torch.equal(a[0].weight, a[1].weight)


def test_numbers_do_not_depend_on_the_cores(monkeypatch):
    def trained():
        training = make(replicas=3)
        for _ in range(4):
            training.step()
        return training.state()

    monkeypatch.setattr("theory_sim.training.engines.lucky.engine._PAIRS", 16)
    alone = trained()
    torch.set_num_threads(2)
    try:
        with cores_share_blocks():
            shared = trained()
    finally:
        torch.set_num_threads(1)
    for key, value in alone.items():
        assert torch.equal(value, shared[key]), key


def test_state_holds_what_moved_and_restores_to_the_same_bits():
    straight, broken, later = make(), make(), make()
    for _ in range(3):
        straight.step(), broken.step()
    state = {key: value.clone() for key, value in broken.state().items()}
    drawn = sum(len(c.bias) for c in broken.models["fine"].engine.drawn)
    assert 0 < len(state["fine/weight"]) < drawn
    later.restore(state)
    for _ in range(3):
        straight.step(), later.step()
    for key, value in straight.state().items():
        assert torch.equal(value, later.state()[key]), key
    for name in MODELS:
        assert torch.equal(straight.models[name].engine.parameters.weight, later.models[name].engine.parameters.weight)


def test_results_and_the_network_in_them(tmp_path):
    results = run(load_config(overrides=[*SMALL, "training.dtype=float32"]), tmp_path, "cpu")
    again = Training(results.config)
    with torch.no_grad():
        for _ in range(12):
            again.step()
        batch = again.next_batch()
        for name in MODELS:
            network, heads = results.network(name, 1), again.models[name].engine.heads(batch)
            # Neurons that never moved are silent where they never fired: on easy samples like those of training.
            torch.testing.assert_close(network(batch.x[1]), heads[1], rtol=1e-3, atol=1e-4)
    assert results.fine.lucky.sum() > 0
    assert results.fine.response.isel(step=-1).max() > results.fine.response.isel(step=0).max()


# --- what is drawn ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0.0, 2.5, 6.0, 12.0])
def test_tail_is_the_conditioned_gaussian(cut):
    values = tail(np.random.default_rng(0), cut, 20_000)
    log_share = stats.norm.logsf(values) - stats.norm.logsf(cut)  # ln U of a uniform
    assert stats.kstest(np.exp(log_share), "uniform").pvalue > 0.01


def test_near_several_features_as_often_as_it_occurs():
    """Against all m neurons drawn one by one, at a cut where a third of the candidates are near two features or more."""
    cut, m, features, heads = 0.8, 4000, 4, 3
    stream = streams(5, "init fine", 1)
    vectors = torch.eye(features, 8, dtype=torch.float64)
    drawn = draw(stream, vectors, True, heads, m, cut, 0.1, 1.0)
    everyone = stream.normal(heads * m, features, dtype=torch.float64)[0] > cut
    table = [torch.bincount((near * torch.tensor([1, 2, 4, 8])).sum(1), minlength=16)[1:] for near in (drawn.near, everyone)]
    assert stats.chi2_contingency(torch.stack(table).numpy()).pvalue > 0.01
    assert torch.equal(drawn.near, drawn.weight[:, :features] / 0.1 > cut)
    other = drawn.weight[:, features:].flatten() / 0.1
    assert stats.kstest(other.numpy(), "norm").pvalue > 0.01
    kept = (drawn.weight[:, :features] / 0.1)[~drawn.near]
    assert stats.kstest(stats.norm.cdf(kept) / stats.norm.cdf(cut), "uniform").pvalue > 0.01
    for h in range(heads):
        assert sorted(drawn.slot[drawn.head == h].tolist()) == list(range(int((drawn.head == h).sum())))


def test_rotated_candidates_lie_where_they_should():
    config = load_config(overrides=[*SMALL, "data.basis=rotated"])
    training = Training(config)
    engine = training.models["coarse"].engine
    for r, c in enumerate(engine.drawn):
        g = c.weight @ training.dictionary.vectors[r].T / config.network.init_std
        assert torch.equal(c.near, g > engine.design.cut)
        assert c.near.any(1).all()
        np.testing.assert_allclose(c.correlation, g * config.network.init_std, atol=1e-12)


def test_counts_are_binomial_out_of_as_many_as_the_theory_asks_for():
    found = counts(np.random.default_rng(1), 50, 4096**3, 20, 6.0)
    expected = 4096**3 * stats.norm.sf(6.0)
    z = (found.sum() - expected * 1000) / np.sqrt(expected * 1000)
    assert abs(z) < 4
    assert stats.chisquare(found.sum(0)).pvalue > 0.01


# --- the certificate ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "cut"), [(0.5, 1.2), (0.7, 1.0)])
def test_bounds_lie_above_the_true_probability_and_not_far(norm, cut):
    dim, tau, alpha, n = 6, 2.0, 1.1, 10**6
    rng = np.random.default_rng(3)
    u, zeta = rng.standard_normal((n, dim)), rng.standard_normal((n, dim)) * norm / np.sqrt(dim)
    noise = (u * zeta).sum(1)
    for true, bound in (
        (np.mean((u[:, 0] <= cut) & (alpha * u[:, 0] + noise > tau)), feature_bound(np.array([alpha]), cut, tau, norm, dim)[0]),
        (np.mean(noise > tau), noise_bound(tau, norm, dim)),
    ):
        assert 1e-5 < true < bound < 8 * true + 1e-4


def test_bounds_grow_with_strength_cut_and_noise():
    tau, dim = 6.0, 512
    b = feature_bound(np.linspace(0, 1.1, 50), 5.2, tau, 0.03, dim)
    assert (np.diff(b) >= 0).all()
    by_cut = [feature_bound(np.array([1.05]), z, tau, 0.03, dim)[0] for z in (4.0, 5.0, 5.5)]
    by_noise = [feature_bound(np.array([1.05]), 5.2, tau, norm, dim)[0] for norm in (0.0, 0.01, 0.03, 0.1)]
    assert by_cut == sorted(by_cut)
    assert by_noise == sorted(by_noise)
    assert by_noise[0] == 0
    assert noise_bound(tau, 0.0, dim) == 0 < noise_bound(tau, 1.0, dim) < noise_bound(tau, 2.0, dim)


def test_the_cut_spends_what_was_planned():
    engine = make().models["fine"].engine
    training = make()
    for _ in range(12):
        training.step()
    c = training.models["fine"].engine.certificate()
    assert engine.design.cut > 1
    assert 0 < c.left_out <= 2 * 1e-8
    assert c.total == c.left_out + c.unmet + c.noise <= c.limit == 5e-7
    assert c.drawn < c.neurons == 2 * 6 * 3000
    assert largest_cut(lambda z: z, 0.5, 3.0) == pytest.approx(0.5, abs=1e-6)
    assert largest_cut(lambda z: 1 + z, 0.5, 3.0) is None
    assert largest_cut(lambda z: 0.0, 0.5, 3.0) == 3.0


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (["data.noise=1"], "data.noise"),
        (["network.threshold=0"], "data.noise"),
        (["data.hard_share=0.1", "hard.noise=4"], "hard.noise"),
        (["hard.noise=0.75"], "hard.noise"),
        (["data.training_samples=10"], "data.training_samples"),
        (["network.neurons=1000000000", "network.threshold=1", "data.noise=0.001"], "network.neurons"),
    ],
)
def test_what_cannot_be_left_out_is_refused_with_its_key(change, key):
    with pytest.raises(InputError, match=f"^{key}: ") as refused:
        make(*change)
    assert "\n" not in str(refused.value)


def test_noise_that_could_fire_trained_neurons_stops_the_run():
    """A step size out of proportion makes neurons long, and noise on them strong."""
    training = make("training.step_size.fine=30", "training.step_size.coarse=30", "network.init_std=0.0001")

    def train():
        for _ in range(12):
            training.step()

    with pytest.raises(InputError, match=r"training\.certificate allows .* change data\.noise"):
        train()


@pytest.mark.parametrize("kind", ["easy", "hard"])
def test_every_patch_is_booked_once(kind, monkeypatch):
    """Patches with features, with dominant noise and with plain noise make up a batch."""
    training = make("replicas=1", "hard.noise=0.2")
    engine = training.models["fine"].engine
    booked = []
    monkeypatch.setattr(
        engine.ledger, "charge", lambda replica, strengths, plain, dominant: booked.append((strengths, plain, dominant))
    )
    batch = training.test_sampler.sample(training.streams(f"test {kind}"), 50, kind)
    engine.heads(batch)
    ((strengths, plain, dominant),) = booked
    assert dominant == int((batch.content == DOMINANT_NOISE).sum()) == (50 if kind == "hard" else 0)
    assert len(strengths) == int((batch.content >= 0).sum())
    assert len(strengths) + plain + dominant == 50 * training.config.data.patches


@pytest.mark.parametrize("networks", [("coarse", "fine"), ("coarse", "middle", "fine")])
def test_networks_share_the_certificate(monkeypatch, networks):
    config = load_config(overrides=SMALL)
    monkeypatch.setattr(type(config), "networks", networks)
    assert Design.of(config, law_of(config), heads=2).limit == pytest.approx(1e-6 / len(networks))


def test_many_replicas_spend_the_certificate():
    training = make(replicas=1)
    training.models["fine"].engine.ledger.spent[0, 0] = 1e-6
    with pytest.raises(InputError, match="change replicas"):
        training.step()


def test_dense_refuses_what_does_not_fit_and_lucky_takes_it(monkeypatch):
    theory = ["data.dim=512", "network.neurons=theory", "network.threshold=theory", "data.noise=0.02", "hard.noise=0.2"]
    config = load_config(overrides=theory)
    with pytest.raises(InputError, match=r"^network\.neurons: 134217728 neurons in each head need .* GB"):
        Training(config)
    with torch.no_grad():
        assert Training(load_config(overrides=[*theory, "training.engine=lucky", "replicas=1"])).models
    monkeypatch.setattr(memory, "total_memory", lambda device: 1000)
    with pytest.raises(InputError, match=r"^network\.neurons: .* of a replica's neurons can fire"):
        make()


# --- dominant noise -----------------------------------------------------------------------------------------------


def test_undrawn_neurons_answer_dominant_noise_as_the_dense_engines_do():
    """Mean, spread and, across samples, independence: sums over 3000 neurons a head against their central-limit law.

    At this threshold neurons near a feature are many of those that fire; the rest, which are not drawn, answer less for it.
    """
    overrides = ["hard.noise=8", "tree.subclasses=3", "replicas=20", "network.neurons=3000", "network.threshold=3.2"]
    lucky = make(*overrides, "seed=1")
    dense = Training(load_config(overrides=[*SMALL, *overrides, "training.engine=dense", "seed=2"]))
    sums = []
    for training in (lucky, dense):
        batch = training.sampler.sample(training.streams("test hard"), 20, 1.0)
        at = batch.content == DOMINANT_NOISE
        heads = training.models["coarse"].engine.heads(batch)
        # Given the length of its noise, by the exact law; what fires on features is small beside it, and alike.
        length = batch.x.norm(dim=-1)[at]
        design = lucky.models["coarse"].engine.design
        mean, std, error = design.dominant_sum(length.numpy(), np.array([3000]), np.zeros((400, 0)))
        sums.append((heads.flatten(0, 1).numpy() - mean) / std)
        assert 0 < error < 0.05
    for a, b in (sums, (sums[0], None)):
        other = stats.norm.rvs(size=800, random_state=0) if b is None else b.ravel()
        assert stats.ks_2samp(a.ravel(), other).pvalue > 0.01
    assert stats.ks_2samp(sums[0].ravel() + 0.25, sums[1].ravel()).pvalue < 0.01
    assert lucky.models["coarse"].engine.certificate().dominant_error > 0
    # The same sample has the same answer each time.
    batch = lucky.sampler.sample(lucky.streams("test hard"), 5, 1.0)
    engine = lucky.models["coarse"].engine
    assert torch.equal(engine.heads(batch), engine.heads(batch))

"""The generator's invariants as properties, over every option of the data model."""

import dataclasses

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theory_sim import testing
from theory_sim.config import Config
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.sampler import PatchSampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runtime.streams import Streams, streams
from theory_sim.training.network import Parameters, TwoLayerConvNet

CONFIGS = testing.configs(**{"training.dtype": "float64"})
"""Single precision would hide small errors behind its rounding."""
BATCHES = testing.drawn_batches(of=CONFIGS)


def sampler(config: Config) -> PatchSampler:
    return PatchSampler(law_of(config), make_dictionary(config, torch.device("cpu")))


def streams_of(config: Config, name: str = "check") -> Streams:
    return streams(config.seed_of("data"), name, config.replicas)


@given(BATCHES)
def test_dictionary_is_orthonormal(drawn):
    v = drawn.dictionary.vectors
    torch.testing.assert_close(v @ v.mT, torch.eye(v.shape[1], dtype=v.dtype).expand(len(v), -1, -1), rtol=0, atol=1e-12)
    assert v.shape == (drawn.config.replicas, drawn.config.label_tree.n_nodes, drawn.config.data.dim)


@given(BATCHES)
def test_labels_are_ancestors_of_the_leaf(drawn):
    tree, batch = drawn.config.label_tree, drawn.batch
    for leaf, coarse in zip(batch.leaf.flatten().tolist(), batch.coarse.flatten().tolist(), strict=True):
        assert tree.ancestors(tree.leaves[leaf])[0] == coarse
    if drawn.config.data.label_noise == 0:
        assert torch.equal(batch.labelled_leaf, batch.leaf)


@given(BATCHES)
def test_patch_counts(drawn):
    """Fixed law: exactly s for each feature of the path (none for a missing one), s† of feature noise, one ζ*."""
    config, batch = drawn.config, drawn.batch
    tree, s = config.label_tree, config.data.feature_patches
    for r in range(config.replicas):
        for b in range(batch.leaf.shape[1]):
            hard, content = bool(batch.hard[r, b]), batch.content[r, b].tolist()
            path = tree.ancestors(tree.leaves[int(batch.leaf[r, b])])
            foreign = [c for c in content if c >= 0 and c not in path]
            assert len(content) == config.data.patches
            assert content.count(DOMINANT_NOISE) == (hard and config.hard.noise > 0)
            assert all(c < tree.n_coarse and c != path[0] for c in foreign)
            if hard and config.hard.common == "missing":
                assert path[0] not in content
            if config.data.patch_law == "fixed":
                own = [content.count(node) for node in path]
                missing = hard and config.hard.common == "missing"
                assert own == [0 if missing and node == path[0] else s for node in path]
                assert len(foreign) == (config.hard if hard else config.data).feature_noise_patches
                assert content.count(NOISE) == len(content) - sum(own) - len(foreign) - content.count(DOMINANT_NOISE)


@given(BATCHES)
def test_strengths_lie_in_their_ranges(drawn):
    config, batch = drawn.config, drawn.batch
    tree, spread = config.label_tree, config.data.strength_spread
    for r, b, p in (batch.content >= 0).nonzero().tolist():
        hard, content = bool(batch.hard[r, b]), int(batch.content[r, b, p])
        low, high = (1 - spread) ** 0.5, (1 + spread) ** 0.5
        if content not in tree.ancestors(tree.leaves[int(batch.leaf[r, b])]):
            low, high = (config.hard if hard else config.data).feature_noise
        elif hard and content == int(batch.coarse[r, b]):
            low, high = config.hard.weak_strength
        assert low - 1e-12 <= float(batch.strength[r, b, p]) <= high + 1e-12
    assert (batch.strength[batch.content < 0] == 0).all()


@given(BATCHES)
def test_truth_matches_content(drawn):
    """What is left of a patch after its feature is taken away is noise of the stated norm: ‖ζ‖²d/norm² is chi-square(d)."""
    config, batch = drawn.config, drawn.batch
    d = config.data.dim
    x = batch.x.clone()
    drawn.dictionary.add_to(x, batch.content, -batch.strength)
    norm = torch.where(batch.content == DOMINANT_NOISE, config.hard.noise, config.data.noise)
    # A bound that one of the at most 10⁶ patches of all examples passes with probability below 10⁻⁶: Laurent–Massart.
    largest = norm * ((d + 2 * (d * 28) ** 0.5 + 2 * 28) / d) ** 0.5
    assert (x.norm(dim=-1) <= largest + 1e-7).all()
    if config.data.noise == 0:
        assert float(x[batch.content != DOMINANT_NOISE].abs().max()) < 1e-14


@given(CONFIGS, st.integers(1, 6), st.sampled_from([0.0, 0.5, 1.0]))
def test_reproducible_by_seed(config, samples, hard_share):
    first, again = (sampler(config).sample(streams_of(config), samples, hard_share) for _ in range(2))
    other = sampler(config).sample(streams_of(config.model_copy(update={"seed": config.seed + 1})), samples, hard_share)
    for field in dataclasses.fields(first):
        assert torch.equal(getattr(first, field.name), getattr(again, field.name)), field.name
    assert not torch.equal(first.tag, other.tag)


@given(CONFIGS, st.integers(1, 6), st.integers(1, 6))
def test_more_samples_grow_the_batch_axis_only(config, samples, more):
    small = sampler(config).sample(streams_of(config), samples, 0.5)
    large = sampler(config).sample(streams_of(config), samples + more, 0.5)
    for field in dataclasses.fields(small):
        a, b = getattr(small, field.name).shape, getattr(large, field.name).shape
        assert (a[0], *a[2:]) == (b[0], *b[2:])
        assert (a[1], b[1]) == (samples, samples + more)


@given(CONFIGS, st.integers(1, 5))
def test_replicas_and_steps_differ(config, samples):
    """Tags are continuous: equal ones would mean a stream used twice."""
    s, own = sampler(config), streams_of(config)
    tags = torch.cat([s.sample(own, samples, 0.0).tag.flatten() for _ in range(3)])
    assert len(tags.unique()) == len(tags)
    train = s.sample(streams_of(config, "training"), samples, 0.0).tag
    assert not torch.isin(train, tags).any()


def random_network(config: Config, seed: int = 0) -> TwoLayerConvNet:
    return TwoLayerConvNet.of(
        Parameters.initial(streams(seed, "init fine", 1), 3, 4, config.data.dim, 1.0, 0.3, torch.float64), 0
    )


@given(BATCHES, st.randoms(use_true_random=False))
def test_network_ignores_the_order_of_patches(drawn, random):
    network, order = random_network(drawn.config), list(range(drawn.config.data.patches))
    random.shuffle(order)
    torch.testing.assert_close(network(drawn.batch.x[:, :, order]), network(drawn.batch.x), rtol=1e-12, atol=1e-12)


@given(BATCHES, st.integers(0, 100))
def test_network_is_rotation_invariant(drawn, seed):
    """Rotating weights and patches together changes nothing."""
    network, d = random_network(drawn.config), drawn.config.data.dim
    q, _ = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    turned = TwoLayerConvNet(network.weight @ q, network.bias, network.output)
    torch.testing.assert_close(turned(drawn.batch.x @ q), network(drawn.batch.x), rtol=1e-10, atol=1e-10)


@given(CONFIGS, st.sampled_from([0.0, 1.0]))
def test_rotated_samples_are_rotated_canonical_samples(config, hard_share):
    """With the same raw numbers, features and noise differ by the rotation of the feature part only."""
    both = {}
    for basis in ("canonical", "rotated"):
        own = config.model_copy(update={"data": config.data.model_copy(update={"basis": basis, "noise": 0.0})})
        own = own.model_copy(update={"hard": own.hard.model_copy(update={"noise": 0.0})})
        s = sampler(own)
        both[basis] = s.dictionary.correlation(s.sample(streams_of(own), 4, hard_share).x)
    torch.testing.assert_close(both["rotated"], both["canonical"], rtol=1e-12, atol=1e-12)


@settings(max_examples=30)
@given(testing.generated(of=CONFIGS))
def test_every_invariant_passes(made):
    """The statistical suite, on whole batches."""
    testing.require(made.checks())

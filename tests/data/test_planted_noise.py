"""Faults of noise, each caught, by name, at 5,000 samples; and one that only some coordinates show, at 500."""

from dataclasses import replace

import pytest
import torch
from planted import CONFIG, LEAVES, PLACES, SIGMA, K, broken, drawn_by_the_package, first, is_rare, lots, noise, strengths

import theory_sim as ts
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.sampler import PatchSampler

D = CONFIG.data.dim


@pytest.fixture(scope="module")
def drawn():
    return drawn_by_the_package()


def normals(*shape, seed=0):
    """Normal numbers that the generator did not draw."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def directions(n, seed=0):
    """Unit vectors at random."""
    return torch.nn.functional.normalize(normals(n, D, seed=seed), dim=-1)


def up_or_down(group, size):
    """1 + size in even groups, 1 − size in odd ones."""
    return 1 + size * (1 - group % 2 * 2.0)


def kept(scale):
    """Factors, with a mean square of 1."""
    return scale / scale.square().mean().sqrt()


def at_a_distance(b, z, lag=16, rho=0.03):
    out = z.clone()
    out[..., lag:] = rho * z[..., :-lag] + (1 - rho**2) ** 0.5 * z[..., lag:]
    return out


def one_pair(b, z, rho=0.1):
    out = z.clone()
    out[..., 29] = rho * z[..., 3] + (1 - rho**2) ** 0.5 * z[..., 29]
    return out


def all_alike(b, z, share=0.002):
    """All coordinates of a patch have a little in common."""
    common = SIGMA * normals(*z.shape[:3], 1)
    return (1 - share) ** 0.5 * z + share**0.5 * common


def another_shape_in_each_replica(b, z):
    """Many weak correlations, of other signs in the other replica."""
    turn = 0.02 * normals(1, D, D)
    mix = torch.linalg.matrix_exp(torch.cat([turn + turn.mT, -turn - turn.mT]))
    return z @ (mix / mix.square().sum(1, keepdim=True).sqrt())[:, None]


def by_half(b, z):
    scale = torch.ones(D)
    scale[: D // 2] = -1
    return z * (1 + 0.015 * scale).sqrt()


def two_valued(b, z):
    """±σ in all coordinates but multiples of 16."""
    return torch.where(torch.arange(z.shape[-1]) % 16 == 0, z, z.square().mean().sqrt() * z.sign())


def heavy_tailed(b, z, share=0.02):
    """A few numbers are larger, and all others a little smaller."""
    large = lots(*z.shape) < share
    return torch.where(large, 1.5, (1 - share * (1.5**2 - 1) / (1 - share)) ** 0.5) * z


def shift_by(group, n):
    """A little of a direction that belongs to the group, whatever the features."""
    return lambda b, z: z + 0.3 * SIGMA * directions(n)[group(b, z)]


def of_dominant(change):
    """On hard samples, where there is dominant noise."""

    def written(b, z):
        return torch.where((b.content == DOMINANT_NOISE)[..., None], change(b, z), z)

    return noise(written, "hard")


def on_feature_patches(change):
    return noise(lambda b, z: torch.where((b.content >= 0)[..., None], change(b, z), z))


def feature_hidden(size, sign=lambda b: 1.0):
    """One plain patch of each hard sample holds a trace of its rare feature; the truth does not say so."""

    def plant(d):
        def change(b):
            spot = first(b.content == NOISE)
            x, r = b.x.clone(), torch.arange(2)[:, None].expand_as(b.leaf)
            x[spot] += (size * d.dictionary.vectors[r, b.leaf + K] * sign(b)).flatten(0, 1)
            return replace(b, x=x)

        return d.on_hard(change)

    return plant


def either_sign(b):
    return torch.where(lots(*b.leaf.shape, 1) < 0.5, -1.0, 1.0)


def hard_like_easy(d):
    """Hard samples have the noise of the easy ones, but where it is dominant."""
    z = torch.cat([d.noise(batch) for batch in d.easy], 1)
    return d.on_hard(lambda b: d.rebuilt(b, noise=torch.where((b.content == DOMINANT_NOISE)[..., None], d.noise(b), z)))


def far_apart(b, z, n=2):
    """Two samples at the end have the noise of two at the beginning, scaled by −1."""
    return torch.cat([z[:, :-n], -z[:, :n]], 1)


def nearly_far_apart(b, z):
    """Samples of the second half have nearly the noise of the first."""
    half = z.shape[1] // 2
    return torch.cat([z[:, :-half], 0.95 * z[:, :half].flip(1) + (1 - 0.95**2) ** 0.5 * z[:, -half:]], 1)


def hard_a_little_like_easy(d, rho=0.1):
    z = torch.cat([d.noise(batch) for batch in d.easy], 1)
    mixed = noise(lambda b, own: torch.where((b.content == NOISE)[..., None], (1 - rho**2) ** 0.5 * own + rho * z, own), "hard")
    return mixed(d)


def neighbours(b, z, rho=0.05):
    """Noise of a sample has a little of the one before."""
    return (1 - rho**2) ** 0.5 * z + rho * z.roll(1, 1)


def first_replica(b, z, rho=0.05):
    return torch.cat([z[:1], (1 - rho**2) ** 0.5 * z[1:] + rho * z[:1]])


def one_direction_a_sample(b, z, share=0.02):
    """The patches of a sample have a little in common."""
    common = SIGMA * normals(*z.shape[:2], 1, D)
    return (1 - share) ** 0.5 * z + share**0.5 * common


def orthogonal(b, z):
    """The patches of a sample are exactly orthogonal, with their norms kept."""
    q = torch.linalg.qr(z.mT)[0].mT
    return q * z.norm(dim=-1, keepdim=True)


def on_a_sphere(b, z):
    return z * (4 / z.norm(dim=-1, keepdim=True))


PLAIN, FEATURE, DOMINANT = "noise of plain patches", "noise of feature patches", "dominant noise"
FAULTS = {
    "±σ but for multiples of 16": (noise(two_valued), f"easy: shape of {PLAIN}"),
    "heavy tails": (noise(heavy_tailed), f"easy: tails of {PLAIN}"),
    "uniform dominant noise": (
        of_dominant(lambda b, z: 4 * (12 / D) ** 0.5 * (torch.distributions.Normal(0, 4 / D**0.5).cdf(z) - 0.5)),
        f"hard: shape of {DOMINANT}",
    ),
    "variance by half": (noise(by_half), f"easy: coordinates of {PLAIN}: spread of variances"),
    "one coordinate too strong": (
        noise(lambda b, z: z * torch.where(torch.arange(D) == 7, 1.03, 1.0)),
        f"easy: coordinates of {PLAIN}: variances",
    ),
    "one coordinate with a mean": (
        noise(lambda b, z: z + torch.where(torch.arange(D) == 7, 0.06 * SIGMA, 0.0)),
        f"easy: coordinates of {PLAIN}: means",
    ),
    "variance of dominant noise by half": (
        of_dominant(lambda b, z: z * torch.where(torch.arange(D) % 2 == 0, 1.1, 0.9)),
        f"hard: coordinates of {DOMINANT}: spread of variances",
    ),
    "coordinates correlated at a distance": (noise(at_a_distance), f"easy: coordinates of {PLAIN}: pairs at each distance"),
    "dominant noise correlated at a distance": (
        of_dominant(lambda b, z: at_a_distance(b, z, rho=0.1)),
        f"hard: coordinates of {DOMINANT}: pairs at each distance",
    ),
    "two coordinates correlated": (noise(one_pair), f"easy: coordinates of {PLAIN}: pairs"),
    "all coordinates alike": (noise(all_alike), f"easy: coordinates of {PLAIN}: all pairs"),
    "correlated otherwise in each replica": (
        noise(another_shape_in_each_replica),
        f"easy: coordinates of {PLAIN}: squares of all pairs",
    ),
    "norm by leaf": (
        noise(lambda b, z: z * up_or_down(b.leaf, 0.02)[..., None, None]),
        f"easy: norm of {PLAIN}: same for each leaf",
    ),
    "norm by leaf in hard samples": (
        noise(lambda b, z: z * up_or_down(b.leaf, 0.02)[..., None, None], "hard"),
        f"hard: norm of {PLAIN}: same for each leaf",
    ),
    "norm of dominant noise by leaf": (
        of_dominant(lambda b, z: z * up_or_down(b.leaf, 0.08)[..., None, None]),
        f"hard: norm of {DOMINANT}: same for each leaf",
    ),
    "norm by place": (
        noise(lambda b, z: z * up_or_down(torch.arange(PLACES), 0.02)[:, None]),
        f"easy: norm of {PLAIN}: same for each place",
    ),
    "norm by patch": (noise(lambda b, z: z * kept(1 + 0.06 * normals(*z.shape[:3], 1))), f"easy: norm of {PLAIN}: spread"),
    "norm by sample": (
        noise(lambda b, z: z * kept(1 + 0.04 * normals(*z.shape[:2], 1, 1))),
        f"easy: norm of {PLAIN}: same for each sample",
    ),
    "norm by replica": (
        noise(lambda b, z: z * up_or_down(torch.arange(2), 0.02)[:, None, None, None]),
        f"easy: norm of {PLAIN}: same for each replica",
    ),
    "norm by feature": (
        on_feature_patches(lambda b, z: z * up_or_down(is_rare(b).long(), 0.02)[..., None]),
        f"easy: norm of {FEATURE}: same for each feature",
    ),
    "norm by strength": (
        on_feature_patches(lambda b, z: z * b.strength[..., None]),
        f"easy: norm of {FEATURE} and strengths",
    ),
    "norm by tag": (
        noise(lambda b, z: z * kept(0.98 + 0.04 * b.tag)[..., None, None]),
        f"easy: norm of {PLAIN} and tags",
    ),
    "dominant noise of one norm": (of_dominant(on_a_sphere), f"hard: norm of {DOMINANT}: spread"),
    "mean by leaf": (noise(shift_by(lambda b, z: b.leaf[..., None], LEAVES)), f"easy: mean of {PLAIN}: same for each leaf"),
    "mean of dominant noise by leaf": (
        of_dominant(lambda b, z: z + 4 / D**0.5 * directions(LEAVES)[b.leaf][..., None, :]),
        f"hard: mean of {DOMINANT}: same for each leaf",
    ),
    "mean by place": (
        noise(shift_by(lambda b, z: torch.arange(PLACES), PLACES)),
        f"easy: mean of {PLAIN}: same for each place",
    ),
    "rare feature hidden in a plain patch": (feature_hidden(0.1), f"hard: {PLAIN} ignores the level-2 feature"),
    "rare feature hidden with either sign": (feature_hidden(0.15, either_sign), f"hard: {PLAIN} ignores the level-2 feature"),
    "one dominant noise": (
        of_dominant(lambda b, z: z[b.content == DOMINANT_NOISE][0] * either_sign(b)[..., None]),
        "noise is not used again",
    ),
    "noise used again far away": (noise(far_apart), "noise is not used again"),
    "noise of one replica in the other": (noise(lambda b, z: z[:1].expand_as(z)), "noise is not used again"),
    "noise of easy samples in hard ones": (hard_like_easy, "noise is not used again"),
    "noise nearly used again far away": (noise(nearly_far_apart), "independent patches, any two"),
    "noise of hard samples a little like easy ones": (
        hard_a_little_like_easy,
        "independent samples of another kind, hard",
    ),
    "noise a little like the sample before": (noise(neighbours), "independent samples"),
    "noise a little like the other replica": (noise(first_replica), "independent replicas"),
    "noise of a sample a little alike": (noise(one_direction_a_sample), "independent patches of a sample"),
    "orthogonal patches": (noise(orthogonal), "independent patches of a sample"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(drawn, fault):
    plant, expected = FAULTS[fault]
    assert expected in broken(plant(drawn))


def two_valued_at_all_sizes(self, x, truth, shares):
    """As `PatchSampler._patches`, of noise that is ±σ in all coordinates but multiples of 16."""
    content = truth["content"]
    noise = two_valued(None, x)
    self.dictionary.add_to(noise, content, truth["strength"])
    return ts.Batch(noise, **truth)


def test_noise_in_some_coordinates_is_caught_at_every_number_of_samples(monkeypatch):
    """Every n-th number would be of one coordinate of 256 at 500 samples of the default: all are looked at."""
    monkeypatch.setattr(PatchSampler, "_patches", two_valued_at_all_sizes)
    for samples in (100, 500, 512):
        checks = ts.check_data(ts.Config().replace({"replicas": 1}), samples)
        assert "easy: shape of noise of feature patches" in [check.name for check in checks if not check.passed]


SMALL_FAULTS = {
    "easy: variance of noise of plain patches": noise(lambda b, z: 1.004 * z),
    "easy: strengths of the level-2 feature": strengths(lambda b, u: u + 0.25 * (2 * torch.pi * u).sin() / (2 * torch.pi)),
    "easy: tags": lambda d: d.on_easy(lambda b: replace(b, tag=b.tag**1.15)),
}


@pytest.mark.parametrize("name", SMALL_FAULTS)
def test_more_samples_see_smaller_faults(name):
    """Faults that pass with 200 samples are caught with 5,000: no test stops at a number of samples."""
    assert name not in broken(SMALL_FAULTS[name](drawn_by_the_package(200)))
    assert name in broken(SMALL_FAULTS[name](drawn_by_the_package(5000)))

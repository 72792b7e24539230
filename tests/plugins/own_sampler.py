"""A theory of one's own whose law draws its samples by itself, in plain PyTorch: one feature patch of the class, one of noise."""

import torch

import theory_sim as ts


def sample(streams, samples, shares, dictionary):
    """Two patches: the class's feature, and noise; hard samples have the feature at a tenth of its strength."""
    dtype = dictionary.vectors.dtype
    leaf, kind = streams.integers(TREE.n_leaves, samples), streams.uniform(samples, dtype=dtype) < shares["faint"]
    noise = streams.normal(samples, 2, dictionary.vectors.shape[-1], dtype=dtype) * 0.05
    coarse = TREE.coarse_of_leaf[leaf]
    feature = dictionary.vectors[torch.arange(len(streams))[:, None], coarse]
    strength = torch.where(kind, 0.1, 1.0).to(dtype)
    noise[:, :, 0] += strength[..., None] * feature
    return ts.Batch.of(noise, leaf, TREE, streams, kind=kind.long())


TREE = ts.LabelTree.of(2, 2)
law = ts.SampledLaw(TREE, ["clear", "faint"], sample)


def clear_error(results: ts.Results) -> ts.Estimate:
    """Error of the only network on clear samples."""
    return ts.error_rate(results.only.test_correct.sel(kind="clear").isel(test_readout=0).values)


theory = ts.register_theory(
    ts.Theory(
        name="own-sampler",
        law=law,
        defaults={"labels": {"only": "level(1)"}, "training": {"step_size": {"only": 0.5}}, "data": {"dim": 16}},
        claims=[ts.Claim("clear-error", "The network classifies clear samples.", "Theorem", clear_error, "≤", 0.05)],
    )
)

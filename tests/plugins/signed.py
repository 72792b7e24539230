"""A theory of one's own without subclasses: two classes that share one feature, whose sign is the class (a noisy signal)."""

import theory_sim as ts


def law(config: ts.Config) -> ts.PatchLaw:
    """One patch is ±μ, the others noise; no node of the tree has a feature."""
    signal = ts.Group(ts.Extra("signal"), 1, ts.Uniform(1.0, 1.0), sign="class")
    return ts.PatchLaw(
        tree=config.label_tree,
        patches=config.data.patches,
        noise=ts.Gaussian(config.data.noise),
        kinds={"clear": [signal], "noisy": [signal, ts.Group(ts.Nothing(), 1, noise=ts.Gaussian(1.0))]},
        features=["signal"],
        node_features=False,
    )


def clear_error(results: ts.Results) -> ts.Estimate:
    """Error of the network on clear samples."""
    return ts.error_rate(results.only.test_correct.sel(kind="clear").isel(test_readout=0).values)


theory = ts.register_theory(
    ts.Theory(
        name="signed",
        law=law,
        defaults={
            "tree": {"subclasses": 0},
            "labels": {"only": "leaf"},
            "training": {"step_size": {"only": 0.1}},
        },
        claims=[ts.Claim("clear-error", "The network classifies clear samples.", "Theorem", clear_error, "≤", 0.05)],
    )
)

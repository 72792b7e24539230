"""A theory of one's own: every sample, easy or hard, has a background feature of random sign, which says nothing of its class."""

from dataclasses import replace

import theory_sim as ts

paper = ts.THEORIES["label-granularity"]


def law(config: ts.Config) -> ts.PatchLaw:
    """Two more patches in every sample hold the background, both with the sample's own sign."""
    base = paper.law_at(config)
    background = ts.Group(ts.Extra("background"), 2, ts.Uniform(0.8, 1.2), sign="random")
    kinds = {kind: [*groups, background] for kind, groups in base.kinds.items()}
    return replace(base, kinds=kinds, features=["background"])


theory = ts.register_theory(ts.Theory(name="background", law=law, claims=paper.claims))

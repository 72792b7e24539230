"""The paper's theory, registered through the door that every other theory uses."""

from theory_sim.theories.label_granularity import (
    boundary,
    dominant_noise,
    lucky_sets,
    margins,
    measures,
    noise_control,
    tightness,
    times,
    trends,
)
from theory_sim.theories.label_granularity.claims import CLAIMS, COARSE, FINE
from theory_sim.theories.label_granularity.law import setup
from theory_sim.theories.label_granularity.regime import regime
from theory_sim.theories.theory import Theory, register_theory

THEMES = (lucky_sets, dominant_noise, margins, noise_control, boundary, times, tightness)
"""Modules that hold the measures of one theme, and the trends that read them."""

THEOREMS = {
    COARSE: "Trained on coarse labels, the network learns common features but not rare ones: it classifies easy test samples and"
    " fails on hard ones.",
    FINE: "Trained on fine labels, the network learns rare features too: it classifies easy and hard test samples.",
}
"""Their statements: on features and hard samples of the abstract [paper], on easy samples [recalled]."""

theory = register_theory(
    Theory(
        name=setup.name,
        law=setup.law,
        claims=CLAIMS,
        theorems=THEOREMS,
        measures=[measure for theme in (measures, *THEMES) for measure in theme.MEASURES],
        trends=[trend for theme in (trends, *THEMES) for trend in theme.TRENDS],
        regime=regime,
        source="arXiv:2303.16887",
        description="Coarse labels teach a network only common features; fine labels teach it the rare ones too.",
    )
)

"""The paper's theory, registered through the door that every other theory uses."""

from theory_sim.theories.label_granularity import boundary, tightness, times
from theory_sim.theories.label_granularity.claims import CLAIMS
from theory_sim.theories.label_granularity.law import setup
from theory_sim.theories.label_granularity.measures import MEASURES
from theory_sim.theories.label_granularity.regime import regime
from theory_sim.theories.label_granularity.trends import TRENDS
from theory_sim.theories.theory import Theory, register_theory

theory = register_theory(
    Theory(
        name=setup.name,
        law=setup.law,
        claims=CLAIMS,
        measures=[*MEASURES, *times.MEASURES, *boundary.MEASURES, *tightness.MEASURES],
        trends=[*TRENDS, *times.TRENDS, *boundary.TRENDS, *tightness.TRENDS],
        regime=regime,
        source="arXiv:2303.16887",
        description="Coarse labels teach a network only common features; fine labels teach it the rare ones too.",
    )
)

"""The theory of benign overfitting, registered through the door that every theory uses."""

from theory_sim.theories.benign_overfitting.claims import CLAIMS, MEASURES
from theory_sim.theories.benign_overfitting.law import setup
from theory_sim.theories.benign_overfitting.regime import regime
from theory_sim.theories.theory import Theory, register_theory

theory = register_theory(
    Theory(
        name=setup.name,
        law=setup.law,
        defaults=setup.defaults,
        parameters=setup.parameters,
        claims=CLAIMS,
        measures=MEASURES,
        regime=regime,
        source="arXiv:2303.04145",
        description="A network fits flipped labels, and still classifies well if the signal is strong against the noise.",
    )
)

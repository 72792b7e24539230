"""The theory of spurious features, registered through the door that every theory uses."""

from theory_sim.theories.spurious_features.claims import CLAIMS, MEASURES
from theory_sim.theories.spurious_features.law import setup
from theory_sim.theories.spurious_features.regime import regime
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
        source="arXiv:2306.04949",
        description="A network learns a strong spurious feature first, and fails where it disagrees with the class.",
    )
)

"""The contracts that a configuration names objects of: one registry for each, with the package's own entries and a user's.

They are here, below everything, so that a configuration can be checked against them without knowing who implements them.
Registries of label functions, claims, figures and image sources are with their contracts.
"""

from typing import Any

from theory_sim.runtime.registry import Registry

SETUPS: Registry[Any] = Registry(
    "theory", [f"theory_sim.theories.{name}.law" for name in ("label_granularity", "benign_overfitting", "spurious_features")]
)
"""`theory_sim.data.setup.Setup` by the name of its theory."""

ENGINES: Registry[Any] = Registry(
    "engine",
    [f"theory_sim.training.engines.{module}" for module in ("dense", "lucky.engine", "gradient")],
)
"""Classes with the interface `theory_sim.training.engines.base.Engine`."""

READOUTS: Registry[Any] = Registry("readout", ["theory_sim.training.readouts"])
"""`theory_sim.training.readouts.Readout`."""

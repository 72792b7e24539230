"""The types of the settings' values, and what several files of the schema name."""

from typing import Annotated, Any

from pydantic import Field

from theory_sim.runtime.settings import NonNegative, Positive, Range

Width = Annotated[int, Field(ge=1, le=10**15)]
NetworkName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_LENGTH: Any = {"unit": "norm of a feature (1)"}
Length = Annotated[NonNegative, Field(json_schema_extra=_LENGTH)]
Lengths = Annotated[Range, Field(json_schema_extra=_LENGTH)]
Nats = Annotated[Positive, Field(json_schema_extra={"unit": "nats"})]
StepSize = Annotated[float, Field(gt=0, le=1e30)]

LABEL_GRANULARITY = "label-granularity"
"""The theory whose defaults are those of the schema."""
ENGINE = "dense"
"""The engine that trains by default."""
STORED = "stored"
"""Context of a configuration that was complete and checked when a run stored it."""
NETWORKS = {"coarse": "level(1)", "fine": "leaf"}
"""The label function of each network of the theory `LABEL_GRANULARITY`."""
STEP_SIZES = {"coarse": 0.02, "fine": 0.1}
"""η of each of these networks."""

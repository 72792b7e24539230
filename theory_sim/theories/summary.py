"""What a run came to, as values that JSON can say."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from theory_sim.runs.results import Results
from theory_sim.theories.claims import ClaimResult
from theory_sim.theories.regime import Assumption


def certificates(results: Results) -> dict[str, Any]:
    """What the engine left out, by network, where it did: a `theory_sim.training.engines.lucky.certificate.Certificate`
    with its total.
    """
    by_network = {name: json.loads(data.attrs["certificate"]) for name, data in results.records.items()}
    return {name: certificate for name, certificate in by_network.items() if certificate is not None}


def summary(results: Results, claims: Sequence[ClaimResult], regime: Sequence[Assumption]) -> dict[str, Any]:
    """What ``theory-sim verify --json`` writes."""
    return {
        "config": results.config.model_dump(mode="json"),
        "claims": [claim.as_dict() for claim in claims],
        "regime": [as_dict(line) for line in regime],
        "alignment": {name: json.loads(data.attrs["alignment"]) for name, data in results.records.items()},
        "certificate": certificates(results),
        "environment": results.environment,
    }


def as_dict(assumption: Assumption) -> dict[str, Any]:
    """An assumption for JSON."""
    return asdict(assumption) | {"inside": assumption.inside}

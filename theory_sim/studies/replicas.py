"""Stored results of trained replicas, the populations of ``theory-sim bench coverage``.

``replicas.csv`` has a row for each replica of each case: the hard and easy errors of both networks on ``samples`` test samples,
their training losses, and the growth of their responses (`theory_sim.theories.label_granularity.claims`). This command trains
the replicas again:

    python -m theory_sim.studies.replicas
"""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from theory_sim.config import load_config
from theory_sim.runs.run import run
from theory_sim.theories.label_granularity.claims import growth_by_leaf

STORED = Path(__file__).with_name("replicas.csv")
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "data.noise = 0.25": {"data.noise": 0.25},
    "network.neurons = 12": {"network.neurons": 12},
    "network.threshold = 2.4": {"network.threshold": 2.4},
}
"""Cases in which errors are skewed in different ways, as differences from the base."""
BASE: dict[str, Any] = {
    "tree.subclasses": 6,
    "data.dim": 128,
    "replicas": 200,
    "test.samples": 2000,
    "test.curve_samples": 1,
    "record.points": 2,
    "transfer.readouts": ["sum_logits"],
}


def train(case: str, seed: int = 0) -> pd.DataFrame:
    """Train the replicas of a case; the columns are those of the table without ``case``."""
    with tempfile.TemporaryDirectory() as folder:
        results = run(load_config().replace(BASE | CASES[case] | {"seed": seed}), folder)
        columns: dict[str, Any] = {"samples": results.config.test.samples}
        for model, data in results.records.items():
            errors = data.test_error.isel(test_readout=0)
            columns |= {f"{model}_{kind}": errors.sel(kind=kind).values for kind in ("easy", "hard")}
            columns[f"{model}_loss"] = data.final_loss.values.mean(1)
            rare, common = (grown.mean(1) for grown in growth_by_leaf(data, results.config))
            columns |= {f"{model}_rare": rare, f"{model}_common": common}
    return pd.DataFrame(columns)


def main() -> None:
    """Train all cases, and write the table."""
    table = pd.concat([train(case).assign(case=case) for case in CASES], ignore_index=True)
    table.insert(0, "case", table.pop("case"))
    table.to_csv(STORED, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()

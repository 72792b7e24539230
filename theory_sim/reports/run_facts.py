"""What a page says of a run, as plain values that JSON can say."""

import json
import shlex
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from theory_sim.config import LABEL_GRANULARITY
from theory_sim.reports.borders import with_borders
from theory_sim.reports.citing import citations
from theory_sim.runs.results import Results, load_results
from theory_sim.runtime.errors import InputError, PluginWarning
from theory_sim.runtime.plain_yaml import parse_value, yaml_text
from theory_sim.studies.shelf import StoredRun
from theory_sim.theories.claims import DECISIONS, ClaimResult
from theory_sim.theories.summary import certificates
from theory_sim.theories.theory import check_regime, theory_of


def loaded(run: StoredRun) -> Results:
    """The results of a run, for its curves.

    Raises:
        InputError: it is not finished, or its files are damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # the page says that the run is stale
        return load_results(run.folder)


def run_facts(run: StoredRun, results: Results) -> dict[str, Any]:
    """All that a page says of a run in words and numbers, and what ``summary.json`` holds.

    Args:
        run: the run.
        results: its results (`loaded`).
    """
    claims = run.claims
    decided: Sequence[ClaimResult] = () if isinstance(claims, str) else claims
    source, theorems, regime, no_regime = "", {}, [], ""
    try:
        theory = theory_of(results.config)
        source, theorems = theory.source, dict(theory.theorems)
        regime = [with_borders(line) for line in check_regime(results.config)]
    except InputError as error:  # the theory is gone, or does not cover this configuration
        no_regime = str(error)
    differs = run.differs
    return {
        "kind": "run",
        "name": run.name,
        "id": run.id,
        "theory": results.config.theory,
        "source": source,
        "replicas": results.config.replicas,
        "confidence": results.config.claims.confidence,
        "stale": run.stale,
        "made": run.modified.isoformat(timespec="seconds"),
        "theorems": by_theorem(decided, theorems),
        "claims": [claim.as_dict() for claim in decided],
        "claims_held": sum(claim.holds for claim in decided),
        "not_decided": claims if isinstance(claims, str) else None,
        "networks": _networks(results),
        "regime": regime,
        "no_regime": no_regime,
        "certificates": certificates(results),
        "differs": [{"key": key, "value": value, "default": run.defaults.get(key)} for key, value in differs.items()],
        "environment": results.environment,
        "reproduce": {"command": command(differs, run), "file": yaml_text(results.config.model_dump(mode="json"))},
        "cite": citations(source),
    }


def by_theorem(decided: Sequence[ClaimResult], statements: dict[str, str]) -> list[dict[str, Any]]:
    """The theorems in the order of their claims: name, statement, ids of its claims, how many have each decision."""
    names = list(dict.fromkeys(claim.theorem for claim in decided))
    return [
        {
            "name": name,
            "statement": statements.get(name, ""),
            "claims": [claim.id for claim in decided if claim.theorem == name],
            "decisions": {
                decision: sum(claim.decision == decision for claim in decided if claim.theorem == name) for decision in DECISIONS
            },
        }
        for name in names
    ]


def command(differs: dict[str, Any], run: StoredRun) -> str:
    """The command that runs a run's configuration again."""
    return " ".join(["theory-sim verify", *set_options(identity(run) | differs)])


def identity(run: StoredRun) -> dict[str, Any]:
    """The settings besides `theory_sim.studies.shelf.StoredRun.differs` that a command has to set: name, theory and plugins."""
    first: dict[str, Any] = {"name": run.defaults.get("name"), "theory": LABEL_GRANULARITY, "plugins": []}
    return {key: run.settings[key] for key, usual in first.items() if run.settings.get(key, usual) != usual}


def set_options(values: dict[str, Any]) -> list[str]:
    """The options ``--set`` of some settings, as a shell reads them."""
    return [f"--set {shlex.quote(f'{key}={_as_yaml(value)}')}" for key, value in values.items()]


def _as_yaml(value: Any) -> str:
    """A value as ``--set`` takes it; a text that YAML would read as a number, a switch or a list has quotes."""
    with suppress(InputError):
        if isinstance(value, str) and parse_value(value, "") == value:
            return value
    return json.dumps(value, ensure_ascii=False)


def _networks(results: Results) -> list[dict[str, Any]]:
    found = []
    for name, data in results.records.items():
        errors = {
            str(kind): {str(by): float(data.test_error.sel(kind=kind, test_readout=by).mean()) for by in data.test_readout.values}
            for kind in data.kind.values
        }
        lucky = data.lucky.values.sum(2)  # (replica, head, feature)
        found.append(
            {
                "name": name,
                "labels": data.attrs["labels"],
                "heads": data.sizes["head"],
                "neurons_recorded": data.sizes["neuron"],
                "training_loss": float(data.final_loss.mean()),
                "errors": errors,
                "lucky_per_head_and_feature": float(lucky.mean()),
                "alignment": json.loads(data.attrs["alignment"]),
            }
        )
    return found


def summary_of(facts: dict[str, Any], charts: Sequence[Any]) -> dict[str, Any]:
    """The content of ``summary.json``: the facts, and the curves that the page draws."""
    return facts | {"charts": [asdict(chart) for chart in charts]}

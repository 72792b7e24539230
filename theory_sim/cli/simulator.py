"""The simulator: verify, simulate, regime, check-data."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from theory_sim.cli.notes import note_lines
from theory_sim.cli.program import (
    ConfigFile,
    Device,
    Json,
    OptionalConfigFile,
    Out,
    Plugin,
    Replicas,
    Seed,
    Set,
    app,
    read_config,
    run_shown,
    whole,
)
from theory_sim.runtime.display import new_console

if TYPE_CHECKING:
    from theory_sim.theories.claims import ClaimResult

_COLORS = {"holds": "green", "refuted": "red", "undecided": "yellow", "no result": "yellow"}
"""Colours of the decisions."""


@app.command()
def verify(
    config: OptionalConfigFile = None,
    set_: Set = None,
    plugin: Plugin = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = Path("results"),
    json: Json = None,
) -> int:
    """Train a theory's networks and test its theorems, claim by claim. Exit 1: a claim does not hold."""
    checked = read_config(config, set_, plugin, replicas, seed)
    # Only now: wrong input is answered without importing the numerical packages.
    from theory_sim.theories.regime import outside
    from theory_sim.theories.summary import certificates, summary
    from theory_sim.theories.theory import check_regime, claims_of, evaluate_claims

    claims_of(checked)  # a wrong one is refused before the work
    lines = check_regime(checked)
    results = run_shown(checked, out, device)
    decided = evaluate_claims(results)
    if json is not None:
        json.write(summary(results, decided, lines))
    if decided:
        new_console().print(_claims_table(decided, checked.claims.confidence))
        for text in note_lines([(claim.id, claim.estimate.notes) for claim in decided], "claims"):
            print(text)
    else:
        print(f"the theory {checked.theory} has no claims")
    for line in outside(lines):
        print(f"outside the theory's regime: {line.assumption} = {line.value:.4g}, theory {line.range} ({line.source})")
    for text in _certificate_lines(certificates(results)):
        print(text)
    print(f"results: {results.folder}")
    return 0 if all(claim.holds for claim in decided) else 1


@app.command()
def simulate(
    config: ConfigFile,
    set_: Set = None,
    plugin: Plugin = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = Path("results"),
) -> int:
    """Train once and keep the record; an interrupted run goes on, a finished one is not run again."""
    results = run_shown(read_config(config, set_, plugin, replicas, seed), out, device)
    kinds = [str(kind) for kind in next(iter(results.records.values())).kind.values]
    errors = [f"{kind} error" for kind in kinds]
    table = Table("model", "training loss", "readout", *errors, title="means over replicas")
    for data in results.records.values():
        loss = float(data.final_loss.mean())
        for readout in data.test_readout.values:
            means = [float(data.test_error.sel(kind=kind, test_readout=readout).mean()) for kind in kinds]
            table.add_row(data.attrs["model"], f"{loss:.4f}", str(readout), *(f"{mean:.4f}" for mean in means))
    new_console().print(table)
    print(f"results: {results.folder}")
    return 0


@app.command()
def regime(config: ConfigFile, set_: Set = None, plugin: Plugin = None, json: Json = None) -> int:
    """Compare a configuration with the theory's assumptions."""
    checked = read_config(config, set_, plugin)
    from theory_sim.theories.summary import as_dict
    from theory_sim.theories.theory import check_regime

    lines = check_regime(checked)
    if json is not None:
        json.write([as_dict(line) for line in lines])
    table = Table("assumption", "value", "the theory's range", "source", "")
    for line in lines:
        place = Text("inside") if line.inside else Text("outside", "yellow")
        table.add_row(line.assumption, f"{line.value:.4g}", line.range, line.source, place)
    new_console().print(table)
    return 0


@app.command("check-data")
def check_data(
    config: ConfigFile,
    set_: Set = None,
    plugin: Plugin = None,
    samples: Annotated[int, typer.Option(help="Samples per replica and batch.", **whole("--samples", least=100))] = 500,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    json: Json = None,
) -> int:
    """Test the data generator's invariants on a configuration. Exit 1: some are broken."""
    checked = read_config(config, set_, plugin, replicas, seed)
    from theory_sim.data.checks.suite import check_data as checks_of
    from theory_sim.runtime.devices import choose_device

    with new_console(stderr=True).status("drawing and testing samples"):
        checks = checks_of(checked, samples, device=choose_device(device))
    if json is not None:
        json.write([asdict(check) for check in checks])
    table = Table("invariant", "finding", "p (Holm)", "")
    for check in checks:
        p = "exact" if check.p is None else f"{check.p:.3g}"
        table.add_row(check.name, check.finding, p, Text("passed") if check.passed else Text("broken", "red"))
    new_console().print(table)
    broken = sum(not check.passed for check in checks)
    print(f"{len(checks)} invariants, {broken} broken; {samples} samples per replica and batch")
    return 1 if broken else 0


def _claims_table(decided: "Sequence[ClaimResult]", confidence: float) -> Table:
    table = Table("claim", "estimate", f"{100 * confidence:.7g}% interval", "method", "bound", "")
    for claim in decided:
        e = claim.estimate
        p = "" if claim.max_p is None else f", p = {'undefined' if e.p is None else f'{e.p:.1e}'}"
        bound = f"{claim.side} {claim.bound:.4g}" + ("" if claim.max_p is None else f", p < {claim.max_p:g}")
        decision = Text(claim.decision, _COLORS[claim.decision])
        if e.value != e.value:
            table.add_row(claim.id, "undefined", "", e.method, bound, decision)
        else:
            table.add_row(claim.id, f"{e.value:.4g}", f"[{e.low:.4g}, {e.high:.4g}]", e.method + p, bound, decision)
    return table


def _certificate_lines(certificates: dict[str, Any]) -> list[str]:
    """What an engine left out, and how improbable it is that it mattered."""
    lines = []
    for model, c in certificates.items():
        line = (
            f"certificate: {c['drawn']:,} of the {model} model's {c['neurons']:.3g} neurons were drawn; the probability"
            f" that anything left out fired is ≤ {c['total']:.1e} (limit {c['limit']:.0e})"
        )
        if c["dominant_error"]:
            line += f"; the sum of those left out, on dominant noise, is normal up to {c['dominant_error']:.1e} (Kolmogorov)"
        lines.append(line)
    return lines

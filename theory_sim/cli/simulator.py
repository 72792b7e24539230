"""The simulator: verify, simulate, regime, check-data."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from theory_sim.cli.claims_table import print_claims
from theory_sim.cli.loudness import working
from theory_sim.cli.program import (
    ConfigFile,
    Device,
    Json,
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
from theory_sim.cli.reports import Report, check_report_of, print_report
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.shipped import shipped_configs

if TYPE_CHECKING:
    from theory_sim.config import Config
    from theory_sim.theories.regime import Assumption

Explain = Annotated[bool, typer.Option("--explain", help="Also print each claim as a sentence.")]


_LOADED = ("loaded, not run: the results of this configuration, code and kind of device were there",)


@app.command()
def verify(
    config: ConfigFile = None,
    set_: Set = None,
    plugin: Plugin = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = Path("results"),
    json: Json = None,
    explain: Explain = False,
    report: Report = False,
) -> int:
    """Train a theory's networks and test its theorems, claim by claim. Exit 1: a claim does not hold."""
    checked = read_config(config, set_, plugin, replicas, seed)
    # Only now: wrong input is answered without importing the numerical packages.
    from theory_sim.theories.regime import outside
    from theory_sim.theories.summary import certificates, summary
    from theory_sim.theories.theory import check_regime, claims_of, evaluate_claims, theory_of

    claims_of(checked)  # a wrong one is refused before the work
    if report:
        check_report_of(checked, out, device)
    lines = check_regime(checked)
    results, loaded = run_shown(checked, out, device)
    decided = evaluate_claims(results)
    if json is not None:
        json.write(summary(results, decided, lines))
    if decided:
        print_claims(decided, checked.claims.confidence, theory_of(checked).theorems, explain)
    else:
        print(f"the theory {checked.theory} has no claims")
    for line in outside(lines):
        print(f"outside the theory's regime: {line.assumption} = {line.value:.4g}, theory {line.range} ({line.source})")
    for text in [*_regime_line(checked, lines), *_certificate_lines(certificates(results)), *_LOADED[:loaded]]:
        print(text)
    print(f"results: {results.folder}")
    if report:
        from theory_sim.studies.shelf import find_run

        print_report(find_run(str(results.folder)))
    return 0 if all(claim.holds for claim in decided) else 1


@app.command()
def simulate(
    config: ConfigFile = None,
    set_: Set = None,
    plugin: Plugin = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = Path("results"),
    json: Json = None,
) -> int:
    """Train once and keep the record; an interrupted run goes on, a finished one is not run again."""
    results, loaded = run_shown(read_config(config, set_, plugin, replicas, seed), out, device)
    kinds = [str(kind) for kind in next(iter(results.records.values())).kind.values]
    errors = [f"{kind} error" for kind in kinds]
    table = new_table("model", "training loss", "readout", *errors, title="means over replicas")
    networks: dict[str, Any] = {}
    for name, data in results.records.items():
        loss = float(data.final_loss.mean())
        for readout in data.test_readout.values:
            means = [float(data.test_error.sel(kind=kind, test_readout=readout).mean()) for kind in kinds]
            table.add_row(data.attrs["model"], f"{loss:.4f}", str(readout), *(f"{mean:.4f}" for mean in means))
            own = networks.setdefault(name, {"training_loss": loss, "errors": {}})
            own["errors"][str(readout)] = dict(zip(kinds, means, strict=True))
    if json is not None:
        json.write({"folder": str(results.folder), "loaded": loaded, "networks": networks})
    new_console().print(table)
    for text in _LOADED[:loaded]:
        print(text)
    print(f"results: {results.folder}")
    return 0


@app.command()
def regime(config: ConfigFile = None, set_: Set = None, plugin: Plugin = None, json: Json = None) -> int:
    """Compare a configuration with the theory's assumptions."""
    checked = read_config(config, set_, plugin)
    from theory_sim.theories.summary import as_dict
    from theory_sim.theories.theory import check_regime

    lines = check_regime(checked)
    if json is not None:
        json.write([as_dict(line) for line in lines])
    table = new_table("assumption", "value", "the theory's range", "source", "place")
    for line in lines:
        place = Text("inside") if line.inside else Text("outside", "yellow")
        table.add_row(line.assumption, f"{line.value:.4g}", line.range, line.source, place)
    new_console().print(table)
    return 0


@app.command("check-data")
def check_data(
    config: ConfigFile = None,
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

    with working("drawing and testing samples"):
        checks = checks_of(checked, samples, device=choose_device(device))
    if json is not None:
        json.write([asdict(check) for check in checks])
    table = new_table("invariant", "finding", "p (Holm)", "result")
    for check in checks:
        p = "exact" if check.p is None else f"{check.p:.3g}"
        table.add_row(check.name, check.finding, p, Text("passed") if check.passed else Text("broken", "red"))
    new_console().print(table)
    broken = sum(not check.passed for check in checks)
    print(f"{len(checks)} invariants, {broken} broken; {samples} samples per replica and batch")
    return 1 if broken else 0


def _regime_line(config: "Config", lines: "Sequence[Assumption]") -> Iterator[str]:
    """How many assumptions are inside; and of the paper's theory, if some are not, the configuration that is inside most."""
    from theory_sim.config import LABEL_GRANULARITY, load_config
    from theory_sim.theories.theory import check_regime

    if not lines:
        return
    line = f"{sum(each.inside for each in lines)} of {len(lines)} assumptions are inside the theory's regime"
    if config.theory == LABEL_GRANULARITY and not all(each.inside for each in lines):
        other = check_regime(load_config(shipped_configs()[_MOST_INSIDE]))
        but = ", ".join(each.assumption for each in other if not each.inside)
        line += f"; the configuration {_MOST_INSIDE} meets all" + (f" but: {but}" if but else "")
    yield line


_MOST_INSIDE = "theory_scale"
"""The shipped configuration at the widths that the theory requires."""


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

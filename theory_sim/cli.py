"""The command line: it parses, calls, and prints. Exit 0: done, or all claims hold; 1: some fail; 2: wrong input."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from theory_sim.config import Config, load_config
from theory_sim.errors import DivergedError, InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file.")]
OptionalConfigFile = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="A YAML file; the default configuration without it.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated.")]
Replicas = Annotated[int | None, typer.Option(help="Number of independent repetitions.")]
Seed = Annotated[int | None, typer.Option(help="Seed of dictionary, data and initial weights.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Out = Annotated[Path, typer.Option(help="Folder of all results; each run lies in NAME/HASH below it.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the outcome to this file.")]


@app.callback()
def _program() -> None:
    """Simulate feature learning in two-layer convolutional ReLU networks, and decide its theorems by numbers."""


@app.command()
def verify(
    config: OptionalConfigFile = None,
    set_: Set = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = Path("results"),
    json: Json = None,
) -> int:
    """Train a coarse and a fine model and decide both theorems, claim by claim."""
    from theory_sim import claims, regime
    from theory_sim.storage import write_json

    checked = load_config(config, set_ or (), replicas=replicas, seed=seed)
    _writable(json)
    results = _run(checked, out, device)
    decided, lines = claims.decide(results), regime.check(checked)
    if json is not None:
        write_json(json, claims.report(results, decided, lines))
    console = _console()
    console.print(_claims_table(decided, checked.claims.confidence))
    for line in regime.outside(lines):
        console.print(f"outside the theory's regime: {line.assumption} = {line.value:.4g}, theory {line.range} ({line.source})")
    console.print(f"results: {results.folder}", soft_wrap=True)
    return 0 if all(claim.holds for claim in decided) else 1


@app.command()
def simulate(
    config: ConfigFile,
    set_: Set = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    out: Out = Path("results"),
) -> int:
    """Train once and keep the record; an interrupted run goes on, a finished one is not run again."""
    results = _run(load_config(config, set_ or (), replicas=replicas, seed=seed), out, device)
    console = _console()
    table = Table("model", "training loss", "readout", "easy error", "hard error", title="means over replicas")
    for data in (results.coarse, results.fine):
        loss = float(data.final_loss.mean())
        for readout in data.test_readout.values:
            easy, hard = (float(data.test_error.sel(kind=kind, test_readout=readout).mean()) for kind in ("easy", "hard"))
            table.add_row(data.attrs["model"], f"{loss:.4f}", str(readout), f"{easy:.4f}", f"{hard:.4f}")
    console.print(table)
    console.print(f"results: {results.folder}", soft_wrap=True)
    return 0


@app.command()
def regime(config: ConfigFile, set_: Set = None, json: Json = None) -> int:
    """Compare a configuration with the theory's assumptions."""
    from theory_sim import regime as regime_module
    from theory_sim.storage import write_json

    lines = regime_module.check(load_config(config, set_ or ()))
    _writable(json)
    if json is not None:
        write_json(json, [asdict(line) for line in lines])
    table = Table("assumption", "value", "the theory's range", "source", "")
    for line in lines:
        table.add_row(
            line.assumption, f"{line.value:.4g}", line.range, line.source, "inside" if line.inside else "[yellow]outside[/]"
        )
    _console().print(table)
    return 0


@app.command("check-data")
def check_data(
    config: ConfigFile,
    set_: Set = None,
    samples: Annotated[int, typer.Option(min=100, help="Samples per replica and batch.")] = 500,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    json: Json = None,
) -> int:
    """Test the data generator's invariants on a configuration. Exit 1: some are broken."""
    from theory_sim import invariants
    from theory_sim.experiment import choose_device
    from theory_sim.storage import write_json

    checked = load_config(config, set_ or (), replicas=replicas, seed=seed)
    _writable(json)
    with Console(stderr=True).status("drawing and testing samples"):
        checks = invariants.check_data(checked, samples, device=choose_device(device))
    if json is not None:
        write_json(json, [asdict(check) for check in checks])
    table = Table("invariant", "finding", "p (Holm)", "")
    for check in checks:
        p = "exact" if check.p is None else f"{check.p:.3g}"
        table.add_row(check.name, check.finding, p, "passed" if check.passed else "[red]broken[/]")
    console = _console()
    console.print(table)
    broken = sum(not check.passed for check in checks)
    console.print(f"{len(checks)} invariants, {broken} broken; {samples} samples per replica and batch")
    return 1 if broken else 0


def main() -> None:
    """Entry point; every error a user can cause is one line on standard error."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(getattr(error, "format_message", error.__str__)())
    except (InputError, DivergedError, OSError) as error:
        code = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        code = _complain(f"not enough memory for this configuration: {str(error).splitlines()[0]}")
    if code == 130:  # also what typer makes of an interrupt
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
    sys.exit(code)


def _complain(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _console() -> Console:
    """To standard output; wide enough for whole lines where no terminal sets a width."""
    return Console(width=None if sys.stdout.isatty() else 160)


def _run(config: Config, out: Path, device: str) -> Any:
    from theory_sim.experiment import run
    from theory_sim.progress import progress_bar

    with progress_bar() as show:
        return run(config, out, device, show)


def _claims_table(decided: list[Any], confidence: float) -> Table:
    table = Table("claim", "estimate", f"{confidence:.0%} interval", "method", "bound", "")
    for claim in decided:
        e = claim.estimate
        p = "" if claim.max_p is None else f", p = {'undefined' if e.p is None else f'{e.p:.1e}'}"
        bound = f"{claim.side} {claim.bound:.4g}" + ("" if claim.max_p is None else f", p < {claim.max_p:g}")
        verdict = "[green]holds[/]" if claim.holds else "[red]fails[/]"
        if e.value != e.value:
            table.add_row(claim.id, "undefined", "", e.method, bound, verdict)
        else:
            table.add_row(
                claim.id, f"{e.value:.4g}", f"[{e.low:.4g}, {e.high:.4g}]".replace("[", r"\["), e.method + p, bound, verdict
            )
    return table


def _writable(path: Path | None) -> None:
    """Find out before the work, not after it."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else 'its folder does not exist'}")

"""Speed: bench."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from theory_sim.cli.program import Device, Json, app, new_console, writable
from theory_sim.errors import InputError


@app.command()
def bench(
    what: Annotated[str, typer.Argument(metavar="[simulator|pretrain]")] = "simulator",
    sizes: Annotated[str | None, typer.Option(help="Of A, S, F, M and XL, with commas between; all that the device can.")] = None,
    device: Device = "auto",
    scaling: Annotated[bool, typer.Option("--scaling", help="Also fit how time and memory grow with B, P, d and m.")] = False,
    images: Annotated[int, typer.Option(min=64, help="pretrain: JPEGs to read.")] = 512,
    workers: Annotated[int, typer.Option(min=1, help="pretrain: processes that read them.")] = 2,
    rounds: Annotated[int | None, typer.Option(min=1, help="Measurements of each, in turns; 15, for pretrain 5.")] = None,
    json: Json = None,
) -> int:
    """Measure speed, as ratios in one run: the simulator's steps, or the image pipeline (exit 1: a ratio is below its bound)."""
    writable(json)
    if what == "simulator":
        return _bench_simulator(sizes, device, scaling, rounds or 15, json)
    if what == "pretrain":
        return _bench_pretrain(images, workers, rounds or 5, json)
    raise InputError(f"unknown benchmark '{what}': simulator or pretrain")


def _bench_simulator(sizes: str | None, device: str, scaling: bool, rounds: int, json: Path | None) -> int:
    """Our steps against a plain autograd loop and against this machine's matrix products and normal numbers."""
    from theory_sim import bench as bench_module
    from theory_sim.experiment import choose_device
    from theory_sim.storage import write_json

    chosen, console = choose_device(device), new_console()
    names = bench_module.choose_sizes(sizes, chosen)
    table = Table("size", "replicas", "ours", "autograd", "floor", *bench_module.RATIOS)
    lines, exponents = [], []
    with Console(stderr=True).status("measuring"), bench_module.one_core():
        for name in names:
            size = bench_module.SIZES[name]
            for replicas in size.replicas:
                line = bench_module.measure(name, replicas, chosen, rounds)
                ratios = line.ratios(size)
                lines.append({**asdict(line), "ratios": ratios})
                times = (f"{1e3 * t:.3g} ms" for t in (line.ours, line.autograd, line.products + line.normals))
                table.add_row(name, str(replicas), *times, *(f"{value:.3g}" for value in ratios.values()))
        if scaling:
            exponents = [asdict(exponent) for exponent in bench_module.scaling(chosen)]
    console.print(table)
    for exponent in exponents:
        console.print(f"{exponent['quantity']} of a step ∝ {exponent['of']}^{exponent['value']:.2f}")
    if sizes is None and chosen.type != "cuda":
        console.print("XL is left out: it needs a CUDA device")
    if json is not None:
        write_json(json, {"device": str(chosen), "sizes": lines, "scaling": exponents})
    return 0


def _bench_pretrain(images: int, workers: int, rounds: int, json: Path | None) -> int:
    """The image loader against bare decoding, a training step against a minimal loop."""
    from theory_sim.pretraining import need_extra

    need_extra()
    from theory_sim.pretraining.bench import bench as measure
    from theory_sim.storage import write_json

    with Console(stderr=True).status("measuring") as status:
        ratios = measure(images, workers=workers, rounds=rounds, show=status.update)
    if json is not None:
        write_json(json, [asdict(ratio) for ratio in ratios])
    table = Table("", "images/s", "bare: images/s", "ratio", "at least")
    for ratio in ratios:
        table.add_row(ratio.what, f"{ratio.ours:.0f}", f"{ratio.bare:.0f}", f"{ratio.ratio:.2f}", f"{ratio.bound:g}")
    new_console().print(table)
    return 0 if all(ratio.ratio >= ratio.bound for ratio in ratios) else 1

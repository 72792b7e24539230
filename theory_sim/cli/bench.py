"""Speed: bench."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from theory_sim.cli.loudness import working
from theory_sim.cli.output_file import JsonFile
from theory_sim.cli.program import Device, Json, app, whole
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.errors import InputError

if TYPE_CHECKING:
    from theory_sim.bench.simulator import Bound


_OPTIONS = {
    "simulator": ("sizes", "device", "scaling", "rounds"),
    "sweep": ("cells", "studies"),
    "grid": ("rounds",),
    "pretrain": ("images", "workers", "rounds"),
    "coverage": ("draws",),
}
"""What each benchmark can be told; all write ``--json``."""
_IMAGES, _WORKERS, _CELLS, _DRAWS = 512, 2, 64, 1000


@app.command()
def bench(
    what: Annotated[str, typer.Argument(metavar="[simulator|sweep|grid|pretrain|coverage]")] = "simulator",
    sizes: Annotated[str | None, typer.Option(help="Of A, S, F, M, XL, separated by commas; by default all.")] = None,
    device: Device = "auto",
    scaling: Annotated[bool, typer.Option("--scaling", help="Also fit how time and memory grow with B, P, d and m.")] = False,
    images: Annotated[int, typer.Option(help="pretrain: JPEGs to read.", **whole("--images", least=64))] = _IMAGES,
    workers: Annotated[int, typer.Option(help="pretrain: processes that read them.", **whole("--workers", least=1))] = _WORKERS,
    rounds: Annotated[
        int | None,
        typer.Option(help="Measurements of each, in turns; by default 15, pretrain 5, grid 3.", **whole("--rounds", least=1)),
    ] = None,
    cells: Annotated[int, typer.Option(help="sweep: cells side by side.", **whole("--cells", least=2))] = _CELLS,
    studies: Annotated[
        bool, typer.Option("--studies", help="sweep: also the cells of granularity, assumptions and boundary that share shapes.")
    ] = False,
    draws: Annotated[int, typer.Option(help="coverage: intervals of each kind.", **whole("--draws", least=10))] = _DRAWS,
    json: Json = None,
) -> int:
    """Measure speed, as ratios in one run: the simulator's steps, small cells of a sweep, a grid of small networks, or the image
    pipeline (exit 1: a ratio, but of the simulator, is below its bound).
    Or measure how often intervals miss the truth (exit 1: more than twice as often as stated).
    """
    if what not in _OPTIONS:
        raise InputError(f"unknown benchmark '{what}': simulator, sweep, grid, pretrain or coverage")
    given = {"sizes": sizes, "scaling": scaling, "rounds": rounds, "studies": studies}
    given |= {"device": device != "auto", "images": images != _IMAGES, "workers": workers != _WORKERS}
    given |= {"cells": cells != _CELLS, "draws": draws != _DRAWS}
    for name, value in given.items():
        if value and name not in _OPTIONS[what]:
            known = ", ".join(f"--{known}" for known in _OPTIONS[what])
            raise InputError(f"--{name}: the benchmark {what} has no such option; it has {known} and --json")
    if what == "simulator":
        return _bench_simulator(sizes, device, scaling, rounds or 15, json)
    if what == "sweep":
        return _bench_sweep(cells, studies, json)
    if what == "grid":
        return _bench_grid(rounds or 3, json)
    if what == "pretrain":
        return _bench_pretrain(images, workers, rounds or 5, json)
    return _bench_coverage(draws, json)


def _bench_simulator(sizes: str | None, device: str, scaling: bool, rounds: int, json: JsonFile | None) -> int:
    """Our steps against autograd loops and against this machine's matrix products and normal numbers."""
    import torch

    from theory_sim.bench import jax_loop
    from theory_sim.bench import scaling as scaling_module
    from theory_sim.bench import simulator as bench_module
    from theory_sim.runtime.devices import choose_device
    from theory_sim.runtime.threads import torch_threads

    chosen, console = choose_device(device), new_console()
    names = bench_module.choose_sizes(sizes, chosen)
    times = new_table("size", "replicas", "ours", "plain", "vectorised", "jax", "floor", "generator", "normals", "recording")
    ratios = new_table("size", "replicas", *bench_module.RATIOS)
    lines, growths = [], []
    with working("measuring"), torch_threads(1):
        for name in names:
            size = bench_module.SIZES[name]
            for replicas in size.replicas:
                line = bench_module.measure(name, replicas, chosen, rounds)
                values, bounds = line.ratios(size), bench_module.BOUNDS[name]
                lines.append({**asdict(line), "ratios": values})
                loops = (line.ours, line.plain, line.vectorised, line.jax)
                seconds = (*loops, line.floor, line.generator, line.normals, line.recording)
                times.add_row(name, str(replicas), *("" if t is None else f"{1e3 * t:.3g} ms" for t in seconds))
                judged = (_judged(values[key], bounds.get(key)) if key in values else "" for key in bench_module.RATIOS)
                ratios.add_row(name, str(replicas), *judged)
        if scaling:
            growths = list(scaling_module.scaling(chosen))
    console.print(times, ratios)
    print(
        "plain: an autograd loop whose data are made sample by sample; vectorised: the same with a batch drawn at once, which can"
        "\nbe surpassed by vectorised ÷ floor at most; jax: all replicas at once, compiled by XLA; floor: both products and the"
        "\nnormal numbers. ✗: not within its bound."
    )
    if not jax_loop.is_installed():
        print("jax is left out: pip install 'theory-sim[bench]'")
    elif chosen.type != "cpu":
        print("jax is left out: it is measured on a CPU alone")
    for growth in growths:
        print(growth)
    if sizes is None and chosen.type != "cuda":
        print("XL is left out: it needs a CUDA device")
    if json is not None:
        precision = torch.get_float32_matmul_precision()
        written = {"device": str(chosen), "matmul_precision": precision, "sizes": lines, "scaling": [asdict(g) for g in growths]}
        json.write(written)
    return 0


def _bench_sweep(cells: int, studies: bool, json: JsonFile | None) -> int:
    """Cells of a sweep side by side against cells by themselves; of studies as well."""
    from theory_sim.bench.sweeps import BOUND, STUDIES, STUDY_BOUND, measure, measure_study
    from theory_sim.runtime.threads import torch_threads

    with working("measuring"), torch_threads(1):
        speed = measure(cells)
        found = [measure_study(name) for name in STUDIES] if studies else []
    if json is not None:
        of_studies = [asdict(each) | {"ratio": each.ratio} for each in found]
        json.write(asdict(speed) | {"ratios": speed.ratios, "studies": of_studies})
    table = new_table("cells", "replicas", "a cell in a block", "alone", "in a process of its own", *speed.ratios)
    seconds = (f"{1e3 * t:.3g} ms" for t in (speed.together, speed.alone, speed.process))
    table.add_row(str(cells), str(speed.replicas), *seconds, *(f"{ratio:.3g}" for ratio in speed.ratios.values()))
    new_console().print(table)
    if found:
        table = new_table("study", "cells", "in blocks", "blocks", "together", "alone", "alone ÷ together")
        for each in found:
            sizes = (str(number) for number in (each.cells, each.shared, each.blocks))
            judged = f"{each.ratio:.3g} {'✓' if each.ratio >= STUDY_BOUND else '✗'} ≥ {STUDY_BOUND:g}"
            table.add_row(each.study, *sizes, f"{each.together:.3g} s", f"{each.alone:.3g} s", judged)
        new_console().print(table)
    return 0 if speed.ratios["process ÷ block"] >= BOUND and all(each.ratio >= STUDY_BOUND for each in found) else 1


def _bench_grid(rounds: int, json: JsonFile | None) -> int:
    """Networks trained and tested by inner products, against loops over networks."""
    from theory_sim.bench.grid import LEAST, measure
    from theory_sim.runtime.memory import peak_memory

    with working("measuring"):
        found = measure(rounds)
    table = new_table("d", "signal", "ours", "plain", "vectorised", "plain ÷ ours", "vectorised ÷ ours")
    for each in found:
        times = (f"{_plain(1e3 * seconds)} ms" for seconds in (each.ours, each.plain, each.vectorised))
        ratio = each.plain / each.ours
        judged = f"{_plain(ratio)} {'✓' if ratio >= LEAST else '✗'} ≥ {LEAST:g}"
        table.add_row(str(each.dim), f"{each.signal:g}", *times, judged, _plain(each.vectorised / each.ours))
    new_console().print(table)
    print("time of one network, trained and tested, on one core; plain: each sample is made by itself")
    if (peak := peak_memory()) is not None:
        print(f"this process held at most {peak / 1e9:.2f} GB of memory")
    if json is not None:
        json.write([asdict(each) for each in found])
    return 0 if all(each.plain >= LEAST * each.ours for each in found) else 1


def _plain(value: float) -> str:
    """Three digits, or all whole ones, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _judged(value: float, bound: "Bound | None") -> str:
    """A ratio, and whether it is what it should be."""
    return f"{value:.3g}" if bound is None else f"{value:.3g} {'✓' if bound.holds(value) else '✗'} {bound}"


def _bench_pretrain(images: int, workers: int, rounds: int, json: JsonFile | None) -> int:
    """The image loader against bare decoding, a training step against a minimal loop."""
    from theory_sim.pretraining import need_extra

    need_extra()
    from theory_sim.bench.images import bench as measure

    with working("measuring") as now:
        ratios = measure(images, workers=workers, rounds=rounds, on_progress=now)
    if json is not None:
        json.write([asdict(ratio) for ratio in ratios])
    table = new_table("", "images/s", "bare: images/s", "ratio", "at least")
    for ratio in ratios:
        table.add_row(
            ratio.what, f"{ratio.ours:.0f}", f"{ratio.bare:.0f}", f"{ratio.ratio:.2f}", f"{ratio.bound:g}" if ratio.bound else ""
        )
    new_console().print(table)
    return 0 if all(ratio.ratio >= (ratio.bound or 0) for ratio in ratios) else 1


def _bench_coverage(draws: int, json: JsonFile | None) -> int:
    """Print how often the intervals of all quantities miss the truth, on stored replicas."""
    from theory_sim.stats import FEW
    from theory_sim.studies.coverage import by_level, coverage

    with working("drawing") as now:
        found = list(coverage(draws, on_progress=lambda case: now(f"drawing: {case}")))
    levels = by_level(found)
    if json is not None:
        shown = [asdict(of) | {"missed": of.missed, "judged": of.judged, "right": of.right} for of in found]
        worst = [{} if at.worst is None else {"worst": asdict(at.worst) | {"missed": at.worst.missed}} for at in levels]
        json.write({"intervals": shown, "levels": [asdict(at) | of for at, of in zip(levels, worst, strict=True)]})
    table = new_table("replicas", "quantity", "R", "stated", "miss", "have a note", "miss without a note", "verdict")
    for of in found:
        shares = (f"{100 * share:.3g} %" for share in (of.level, of.missed, of.noted, of.unsaid))
        table.add_row(of.case, of.quantity, str(of.replicas), *shares, "" if of.right else "✗")
    new_console().print(table)
    wrong = sum(at.wrong for at in levels)
    print(
        f"{len(found)} kinds of intervals, {draws} of each: {wrong} miss more than twice as often as stated without a note"
        " on a limit of the interval: few replicas, an assumed normal law, values that are mostly equal, or replicas that may"
        " fail though none of the drawn ones does"
    )
    for at in levels:
        print(
            f"stated {100 * at.level:.3g} %: {at.judged} of {at.kinds} kinds have intervals without a note; {at.wrong} are wrong"
        )
        if at.worst is not None:
            print(
                f"  with notes, of {FEW} replicas or more, at most {100 * at.worst.missed:.3g} % miss:"
                f" {at.worst.quantity}, {at.worst.case}, R = {at.worst.replicas}"
            )
    return 1 if wrong else 0

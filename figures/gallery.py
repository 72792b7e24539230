"""All figures, and the one command that makes what they need, draws them, and checks them against what was drawn."""

import datetime
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from theory_sim import experiment
from theory_sim.config import Config
from theory_sim.errors import InputError
from theory_sim.figures import (
    correlations,
    data_model,
    dimension,
    imagenet21k_levels,
    lucky_sets,
    phase,
    rare_growth,
    readouts,
    real_granularity,
    responses,
    style,
    theorem_coarse,
    theorem_fine,
    theory_scale,
)
from theory_sim.progress import Progress
from theory_sim.settings import differences
from theory_sim.storage import write_atomically, write_text

_MODULES = (
    data_model,
    correlations,
    theorem_coarse,
    theorem_fine,
    responses,
    rare_growth,
    dimension,
    phase,
    lucky_sets,
    readouts,
    imagenet21k_levels,
)
GALLERY: dict[str, ModuleType] = {module.NAME: module for module in _MODULES}
"""The figures, in the order of the gallery."""

ON_REQUEST: dict[str, ModuleType] = {module.NAME: module for module in (theory_scale, real_granularity)}
"""Drawn when named only: the runs take half an hour, or are the image pipeline's."""

WAITING = {
    "granularity": "a table of errors from the study of label functions (theory-sim study granularity)",
}
"""Figures that cannot be drawn yet, and what they wait for."""

SMOKE = Config().but(
    {
        "name": "smoke",
        "replicas": 2,
        "tree.subclasses": 3,
        "data.dim": 64,
        "data.patches": 16,
        "data.feature_patches": 2,
        "network.neurons": 8,
        "training.batch": 16,
        "training.steps": 20,
        "transfer.samples": 50,
        "transfer.steps": 3,
        "test.samples": 40,
        "test.curve_samples": 10,
        "record.points": 5,
    }
)
"""The configuration of ``--smoke``: every figure from nothing within two minutes; it shows that they draw, not what is true."""

TOLERANCE = (0.02, 0.001)
"""`differing` allows numbers to differ by this share of the largest of their group, and by this much."""

_FEW = 4
"""Figures from which processes of their own are worth starting."""

Show = Callable[[Progress], None]


@dataclass(frozen=True)
class Work:
    """What some figures need, each run and evaluation once.

    Attributes:
        runs: by results folder.
        evaluations: (results folder of the run, configuration), by the file that keeps it.
    """

    runs: dict[Path, Config]
    evaluations: dict[Path, tuple[Path, Config]]

    def left(self) -> "Work":
        """What is not on disk yet."""
        return Work(
            {folder: run for folder, run in self.runs.items() if not experiment.is_finished(folder)},
            {path: what for path, what in self.evaluations.items() if not path.exists()},
        )


def chosen(names: Sequence[str]) -> list[ModuleType]:
    """The modules of the figures named, or of all in `GALLERY`.

    Raises:
        InputError: there is no such figure, or it cannot be drawn yet.
    """
    for name in names:
        if name in WAITING:
            raise InputError(f"figure {name} waits for {WAITING[name]}")
        if name not in GALLERY | ON_REQUEST:
            raise InputError(f"there is no figure {name}; there are {', '.join([*GALLERY, *ON_REQUEST, *WAITING])}")
    return [(GALLERY | ON_REQUEST)[name] for name in dict.fromkeys(names or GALLERY)]


def work(modules: Iterable[ModuleType], config: Config, out: Path, device: str) -> Work:
    """All that the figures need."""
    kind = experiment.choose_device(device)
    runs: dict[Path, Config] = {}
    evaluations: dict[Path, tuple[Path, Config]] = {}
    for module in modules:
        needs = module.needs(config)
        folders = [experiment.results_folder(run, out, kind) for run in needs.runs]
        runs |= zip(folders, needs.runs, strict=True)
        for number, other in needs.evaluations:
            evaluations[experiment.evaluation_path(folders[number], other)] = (folders[number], other)
    return Work(runs, evaluations)


def tables(
    modules: Iterable[ModuleType], config: Config, out: Path = Path("results"), device: str = "auto", show: Show = lambda p: None
) -> Iterator[tuple[ModuleType, pd.DataFrame]]:
    """Each figure's module with its table; what is not on disk is run before the first.

    Args:
        modules: of the gallery.
        config: the configuration that all runs derive from.
        out: folder of the runs.
        device: see `theory_sim.experiment.choose_device`.
        show: told how far all that is left to be run has come.

    Raises:
        InputError: a run on disk is damaged, or the device is absent.
        DivergedError: a run met a NaN or an infinity.
    """
    modules = list(modules)
    needed = work(modules, config, out, device)
    make(needed.left(), out, device, show)
    loaded = {folder: experiment.load_results(folder, run) for folder, run in needed.runs.items()}
    kind = experiment.choose_device(device)
    for module in modules:
        needs = module.needs(config)
        results = [loaded[experiment.results_folder(run, out, kind)] for run in needs.runs]
        tested = [experiment.evaluate_on(results[number], other, device) for number, other in needs.evaluations]
        yield module, module.compute(config, results, tested + [_study(name, out) for name in needs.studies])


def _study(name: str, out: Path) -> pd.DataFrame:
    """The newest table of a study on real images."""
    found = sorted((out / name).glob("*/results.csv"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(f"there is no {out / name}/…/results.csv; theory-sim pretrain configs/{name}.yaml makes it")
    table = pd.read_csv(found[-1])
    if missing := {"kind", "transfer", "samples", "classes", "error", "baseline_error"} - set(table):
        raise InputError(f"{found[-1]} is of another version: it has no column {', '.join(sorted(missing))}")
    return table


def make(left: Work, out: Path, device: str, show: Show) -> None:
    """Run and evaluate, with one account of all that is left."""
    total = sum(map(_cost, left.runs.values())) + sum(_test_cost(other) for _, other in left.evaluations.values())
    done = 0.0

    def part(cost: float, what: str, stages: dict[str, tuple[float, float]]) -> Show:
        """Shows one run's own progress as part of the whole, in thousandths."""
        begun = done

        def pass_on(progress: Progress) -> None:
            start, share = stages[progress.stage]
            at = begun + cost * (start + share * progress.done / progress.total)
            show(Progress("figures", min(1000, round(1000 * at / total)), 1000, f"{what}, {progress.stage}"))

        return pass_on

    for run in left.runs.values():
        cost = _cost(run)
        test = _test_cost(run) / cost
        experiment.run(run, out, device, part(cost, run.name, {"training": (0, 1 - test), "testing": (1 - test, test)}))
        done += cost
    loaded = {folder: experiment.load_results(folder) for folder, _ in left.evaluations.values()}
    for folder, other in left.evaluations.values():
        cost = _test_cost(other)
        experiment.evaluate_on(loaded[folder], other, device, part(cost, other.name, {"testing": (0, 1)}))
        done += cost


def draw(made: Iterable[tuple[ModuleType, pd.DataFrame]], folder: Path) -> None:
    """Write figures; many are drawn in processes of their own, while the tables of the next are computed."""
    first = list(islice(made, _FEW))
    if len(first) < _FEW:
        for module, table in first:
            save(module, table, folder)
        return
    # Not by forking: PyTorch's threads do not survive it.
    cores = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(cores, get_context("spawn"), initializer=style.use) as pool:
        drawn = [pool.submit(_save, module.NAME, table, folder) for module, table in chain(first, made)]
        for figure in drawn:
            figure.result()


def _save(name: str, table: pd.DataFrame, folder: Path) -> None:
    save((GALLERY | ON_REQUEST)[name], table, folder)


def save(module: ModuleType, table: pd.DataFrame, folder: Path) -> None:
    """Write a figure and its numbers; the same table gives the same bytes."""
    path = folder / f"{module.NAME}.csv"
    write_atomically(path, lambda part: table.to_csv(part, index=False))
    figure = style.paint(module, pd.read_csv(path))
    for suffix, metadata in {"pdf": {"CreationDate": None, "Title": module.NAME, "Subject": module.CAPTION}, "png": {}}.items():
        write_atomically(
            folder / f"{module.NAME}.{suffix}",
            lambda part, suffix=suffix, metadata=metadata: figure.savefig(part, format=suffix, metadata=metadata),
        )
        figure.set_layout_engine("none")  # laid out once, for both


def differing(module: ModuleType, table: pd.DataFrame, folder: Path) -> str | None:
    """How a figure's numbers differ from those in the folder, in one line; None: they do not.

    Texts and whole numbers must be the same, other numbers agree to `TOLERANCE`, their group being the rows with the same
    texts: training in single precision differs in its last digits between machines, and a few test samples fall on the other
    side.
    """
    path = folder / f"{module.NAME}.csv"
    if not path.exists():
        return f"{path} is not there"
    old = pd.read_csv(path)
    if list(old.columns) != list(table.columns) or len(old) != len(table):
        then, now = (f"{len(version)} rows of {', '.join(version.columns)}" for version in (old, table))
        return f"{path} is of another version: {then}; now {now}"
    texts = [column for column in old if not pd.api.types.is_numeric_dtype(old[column])]
    group = old.groupby(texts, sort=False, dropna=False).ngroup() if texts else np.zeros(len(old))
    for column in table:
        # Both went through the same text, so that "1" and 1 compare equal.
        now, then = _as_read(table[column]), old[column]
        if pd.api.types.is_float_dtype(now) and pd.api.types.is_float_dtype(then):
            size = then.abs().where(np.isfinite(then), 0).groupby(group).transform("max")
            allowed = TOLERANCE[0] * size + TOLERANCE[1]
            wrong = ~np.isclose(now, then, rtol=0, atol=allowed, equal_nan=True)
        else:
            wrong = ~((now == then) | (now.isna() & then.isna())).to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            first = f"row {row + 1}, {then[row]}, now {now[row]}"
            return f"{path}: {wrong.sum()} of {len(table)} values of {column} differ, the first in {first}"
    return None


def _as_read(column: pd.Series) -> pd.Series:
    """A column as it comes back from a CSV file."""
    return pd.read_csv(StringIO(column.to_frame().to_csv(index=False, na_rep="nan")), skip_blank_lines=False).iloc[:, 0]


def write_page(modules: Iterable[ModuleType], config: Config, command: str, folder: Path) -> None:
    """The gallery's page, ``README.md``: figures drawn now get new entries, the others keep theirs."""
    path = folder / "README.md"
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", path.read_text() if path.exists() else "", re.M | re.S))
    for module in modules:
        entries[module.NAME] = _entry(module, config, command)
    text = "# Figures\n\nDrawn by `theory-sim figures`; the CSV files hold exactly the numbers that are drawn.\n\n"
    text += "".join(f"## {name}\n{entries[name].rstrip()}\n\n" for name in GALLERY | ON_REQUEST if name in entries)
    if WAITING:
        text += "## Not drawn yet\n\n" + "".join(f"- **{name}** waits for {why}.\n" for name, why in WAITING.items())
    write_text(path, text.rstrip() + "\n")


def _entry(module: ModuleType, config: Config, command: str) -> str:
    name, needs = module.NAME, module.needs(config)
    lines = [
        f"\n![{name}]({name}.png)\n",
        f"{module.CAPTION}\n",
        f"- files: [{name}.pdf]({name}.pdf), [{name}.csv]({name}.csv)",
        *[f"- study: `theory-sim pretrain configs/{study}.yaml`" for study in needs.studies],
        *([] if needs.studies else [f"- configuration: {describe(needs.runs or [config])}"]),
    ]
    if needs.evaluations:
        lines.append(f"- tested with: {describe([other for _, other in needs.evaluations])}")
    lines += [f"- command: `{command} {name}`", f"- drawn: {datetime.date.today().isoformat()}"]
    return "\n".join(lines)


def describe(runs: Sequence[Config]) -> str:
    """Some configurations in words: what they share, and what varies among them."""
    base = Config()
    changed = [differences(run, base) | {"replicas": run.replicas, "seed": run.seed} for run in runs]
    keys = [key for key in dict.fromkeys(key for run in changed for key in run) if key != "name"]
    shared: list[str] = []
    varied: list[str] = []
    for key in keys:
        values = list(dict.fromkeys(_word(run.get(key, _value(base, key))) for run in changed))
        (shared if len(values) == 1 else varied).append(f"`{key}` {', '.join(values)}")
    number = f"{len(runs)} runs: " if len(runs) > 1 else ""
    return number + "the default configuration with " + "; ".join([*varied, *shared])


def _value(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cost(run: Config) -> float:
    """About proportional to the time of a run: the products of patches and neurons, and the drawing of patches."""
    samples = run.training.steps * run.training.batch + run.record.points * run.test.curve_samples
    return _of_samples(run, samples) + _test_cost(run)


def _test_cost(run: Config) -> float:
    return _of_samples(run, run.test.samples)


def _of_samples(run: Config, samples: int) -> float:
    heads = run.label_tree.n_coarse + run.label_tree.n_leaves
    return float(run.replicas * samples * run.data.patches * run.data.dim * (heads * run.network.neurons + 300))

"""All figures, and the one command that makes what they need, draws them, and checks them against what was drawn."""

import datetime
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures import (
    alignment,
    assumptions,
    coarse_classes,
    correlations,
    data_model,
    deep_tree,
    dimension,
    finetuning,
    granularity,
    hard_share,
    hierarchy,
    imagenet21k_levels,
    label_noise,
    long_tail,
    lucky_sets,
    output_layer,
    phase,
    prediction,
    rare_growth,
    readouts,
    real_granularity,
    responses,
    shift,
    style,
    theorem_coarse,
    theorem_fine,
    theory_scale,
)
from theory_sim.figures.inputs import (
    NotMadeError,
    StudyTables,
    find_study,
    image_command,
    image_table,
    run_small,
    study_cells,
    study_command,
)
from theory_sim.runs.run import run as experiment
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.settings import differences, value_at
from theory_sim.runtime.storage import write_atomically, write_text

_MODULES = (
    data_model,
    correlations,
    prediction,
    theorem_coarse,
    theorem_fine,
    responses,
    rare_growth,
    dimension,
    phase,
    lucky_sets,
    readouts,
    imagenet21k_levels,
    granularity,
    real_granularity,
    hierarchy,
    alignment,
    coarse_classes,
    deep_tree,
    long_tail,
    assumptions,
    hard_share,
    output_layer,
    finetuning,
    shift,
    label_noise,
    theory_scale,
)
GALLERY: dict[str, ModuleType] = {module.NAME: module for module in _MODULES}
"""The figures, in the order of the gallery."""

DEAR = {"theory_scale": "five minutes and 3.5 GB"}
"""Figures whose runs take much, and how much: unless named they are drawn only when their runs are finished."""

SMOKE = Config().replace(
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

_CANDIDATES = 40_000
"""About what the engine `lucky` draws of a replica's neurons (35,093 to 57,267 in ``configs/theory_scale.yaml``)."""

_FEW = 4
"""Figures from which processes of their own are worth starting."""

Show = Callable[[Progress], None]


@dataclass(frozen=True)
class Work:
    """What some figures need, each once.

    Attributes:
        runs: by results folder.
        evaluations: (results folder of the run, configuration), by the file that keeps it.
        studies: why the tables of each cannot be read, None where they can; those on images too.
    """

    runs: dict[Path, Config]
    evaluations: dict[Path, tuple[Path, Config]]
    studies: dict[str, InputError | None]

    def left(self) -> "Work":
        """What is not on disk yet."""
        return Work(
            {folder: run for folder, run in self.runs.items() if not experiment.is_finished(folder)},
            {path: what for path, what in self.evaluations.items() if not path.exists()},
            {name: why for name, why in self.studies.items() if why is not None},
        )


def chosen(names: Sequence[str]) -> list[ModuleType]:
    """The modules of the figures named, or of all.

    Raises:
        InputError: there is no such figure.
    """
    for name in names:
        if name not in GALLERY:
            raise InputError(f"there is no figure {name}; there are {', '.join(GALLERY)}")
    return [GALLERY[name] for name in dict.fromkeys(names or GALLERY)]


@dataclass(frozen=True)
class Source:
    """Where figures come from.

    Attributes:
        config: the configuration that all runs derive from.
        out: folder of all results.
        device: see `theory_sim.runs.run.choose_device`.
        smoke: whether studies are those at their small size, which are then run.
    """

    config: Config
    out: Path = Path("results")
    device: str = "auto"
    smoke: bool = False
    _found: dict[str, StudyTables] = field(default_factory=dict, compare=False)

    def study(self, name: str) -> StudyTables:
        """The tables of a study, read once; errors are those of `theory_sim.figures.inputs.find_study`."""
        if name not in self._found:
            self._found[name] = find_study(name, self.out, self.device, self.smoke)
        return self._found[name]


def work(modules: Iterable[ModuleType], source: Source) -> Work:
    """All that the figures need."""
    kind = experiment.choose_device(source.device)
    runs: dict[Path, Config] = {}
    evaluations: dict[Path, tuple[Path, Config]] = {}
    studies: dict[str, InputError | None] = {}
    for module in modules:
        needs = module.needs(source.config)
        folders = [experiment.results_folder(run, source.out, kind) for run in needs.runs]
        runs |= zip(folders, needs.runs, strict=True)
        for number, other in needs.evaluations:
            evaluations[experiment.evaluation_path(folders[number], other)] = (folders[number], other)
        studies |= {name: _why_not(image_table, name, source.out) for name in needs.image_studies}
        studies |= {name: _why_not(source.study, name) for name in needs.studies}
    return Work(runs, evaluations, studies)


def _why_not(read: Callable[..., Any], *arguments: Any) -> InputError | None:
    try:
        read(*arguments)
    except InputError as error:
        return error
    return None


def waiting(module: ModuleType, source: Source) -> str | None:
    """What a figure that is not named waits for; None: it can be drawn."""
    left, own = work([module], source).left(), module.needs(source.config).studies
    for name, why in left.studies.items():
        if not (source.smoke and name in own and isinstance(why, NotMadeError)):
            return str(why)
    if module.NAME in DEAR and (left.runs or left.evaluations):
        return f"its runs take {DEAR[module.NAME]}; theory-sim figures {module.NAME} makes them"
    return None


def tables(
    modules: Iterable[ModuleType], source: Source, show: Show = lambda p: None
) -> Iterator[tuple[ModuleType, pd.DataFrame]]:
    """Each figure's module with its table; runs that are not on disk are made before the first.

    Args:
        modules: of the gallery.
        source: where they come from.
        show: told how far all that is left to be run has come.

    Raises:
        InputError: a study is not there, a run on disk is damaged, or the device is absent.
        DivergedError: a run met a NaN or an infinity.
    """
    modules = list(modules)
    needed = work(modules, source)
    make(needed.left(), source, show)
    loaded = {folder: experiment.load_results(folder, run) for folder, run in needed.runs.items()}
    kind = experiment.choose_device(source.device)
    for module in modules:
        needs = module.needs(source.config)
        results = [loaded[experiment.results_folder(run, source.out, kind)] for run in needs.runs]
        tested = [experiment.evaluate_on(results[number], other, source.device) for number, other in needs.evaluations]
        images = [image_table(name, source.out) for name in needs.image_studies]
        studies = [source.study(name) for name in needs.studies]
        yield module, module.compute(source.config, results, [*tested, *images, *studies])


def make(left: Work, source: Source, show: Show) -> None:
    """Run and evaluate, with one account of all that is left.

    Raises:
        InputError: a study is left: at full size its own command runs it.
    """
    for why in left.studies.values():
        if why is not None and not (source.smoke and isinstance(why, NotMadeError)):
            raise why
    studies = {name: sum(max(_cost(cell), _cost(SMOKE)) for cell in study_cells(name, smoke=True)) for name in left.studies}
    total = sum(map(_cost, left.runs.values())) + sum(_test_cost(other) for _, other in left.evaluations.values())
    total += sum(studies.values())
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
        stages = {"training": (0.0, 1 - test), "testing": (1 - test, test)}
        experiment.run(run, source.out, source.device, part(cost, run.name, stages))
        done += cost
    loaded = {folder: experiment.load_results(folder) for folder, _ in left.evaluations.values()}
    for folder, other in left.evaluations.values():
        cost = _test_cost(other)
        experiment.evaluate_on(loaded[folder], other, source.device, part(cost, other.name, {"testing": (0, 1)}))
        done += cost
    for name, cost in studies.items():
        run_small(name, source.out, source.device, part(cost, name, {"cells": (0, 1)}))
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
    save(GALLERY[name], table, folder)


def save(module: ModuleType, table: pd.DataFrame, folder: Path) -> None:
    """Write a figure and its numbers; the same table gives the same bytes."""
    path = folder / f"{module.NAME}.csv"
    write_atomically(path, lambda part: table.to_csv(part, index=False))
    figure = style.paint(module, pd.read_csv(path))
    # Laid out once, for both, by the wider letters of pixels.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for suffix, metadata in {"pdf": {"CreationDate": None, "Title": module.NAME, "Subject": module.CAPTION}, "png": {}}.items():
        write_atomically(
            folder / f"{module.NAME}.{suffix}",
            lambda part, suffix=suffix, metadata=metadata: figure.savefig(part, format=suffix, metadata=metadata),
        )


def write_page(modules: Iterable[ModuleType], source: Source, command: str, folder: Path) -> None:
    """The gallery's page, ``README.md``: figures drawn now get new entries, the others keep theirs."""
    path = folder / "README.md"
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", path.read_text() if path.exists() else "", re.M | re.S))
    for module in modules:
        entries[module.NAME] = _entry(module, source, command)
    text = "# Figures\n\nDrawn by `theory-sim figures`; the CSV files hold exactly the numbers that are drawn.\n\n"
    text += "".join(f"## {name}\n{entries[name].rstrip()}\n\n" for name in GALLERY if name in entries)
    absent = [f"- **{name}**: {first}`{command} {name}`\n" for name, first in _first(source).items() if name not in entries]
    if absent:
        text += "## Not drawn yet\n\n" + "".join(absent)
    write_text(path, text.rstrip() + "\n")


def _first(source: Source) -> dict[str, str]:
    """What must be done before a figure is drawn, where that is not done by the way."""
    found = {}
    for name, module in GALLERY.items():
        needs = module.needs(source.config)
        studies = [] if source.smoke else [study_command(study, source.out) for study in needs.studies]
        commands = studies + [image_command(study, source.out) for study in needs.image_studies]
        if commands or name in DEAR:
            found[name] = "".join(f"`{command}`, then " for command in commands)
    return found


def _entry(module: ModuleType, source: Source, command: str) -> str:
    name, needs = module.NAME, module.needs(source.config)
    studies = [study_command(study, source.out, source.smoke) for study in needs.studies]
    studies += [image_command(study, source.out) for study in needs.image_studies]
    runs = needs.runs + [cell for study in needs.studies for cell in study_cells(study, source.smoke)]
    lines = [
        f"\n![{name}]({name}.png)\n",
        f"{module.CAPTION}\n",
        f"- files: [{name}.pdf]({name}.pdf), [{name}.csv]({name}.csv)",
        *[f"- study: `{study}`" for study in studies],
        *([] if needs.image_studies else [f"- configuration: {describe(runs or [source.config])}"]),
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
        values = list(dict.fromkeys(_word(run.get(key, value_at(base, key))) for run in changed))
        (shared if len(values) == 1 else varied).append(f"`{key}` {', '.join(values)}")
    number = f"{len(runs)} runs: " if len(runs) > 1 else ""
    return number + "the default configuration with " + "; ".join([*varied, *shared])


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
    neurons = heads * run.neurons if run.training.engine == "dense" else _CANDIDATES
    return float(run.replicas * samples * run.data.patches * run.data.dim * (neurons + 300))

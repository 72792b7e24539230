"""Makes what figures need, and computes their tables."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from theory_sim.figures.common.figure import Figure, Inputs
from theory_sim.figures.gallery.costs import cost_of_run, cost_of_test
from theory_sim.figures.gallery.needed import Work, work
from theory_sim.figures.gallery.source import SMOKE, Source
from theory_sim.figures.gallery.studies import NotMadeError, image_folders, image_table, run_small, study_cells
from theory_sim.runs.evaluate import evaluate_on
from theory_sim.runs.folder import results_folder
from theory_sim.runs.results import Results, load_results
from theory_sim.runs.run import run as run_experiment
from theory_sim.runtime.devices import choose_device
from theory_sim.runtime.progress import OnProgress, Progress, ignore


def tables(figures: Iterable[Figure], source: Source, on_progress: OnProgress = ignore) -> Iterator[tuple[Figure, pd.DataFrame]]:
    """Pairs of each figure and its table, computed one after the other; all missing runs are made before this returns.

    Args:
        figures: the figures.
        source: where they come from.
        on_progress: called with the progress of everything that has to be run.

    Raises:
        InputError: a figure does not cover the configuration, a study is missing, a run on disk is damaged, or the device does
            not exist.
        DivergedError: a run met a NaN or an infinity.
    """
    figures = list(figures)
    for figure in figures:
        figure.check(source.config)
    needed = work(figures, source)
    made = make(needed.left(), source, on_progress)
    loaded = {folder: made[folder] if folder in made else load_results(folder, run) for folder, run in needed.runs.items()}
    return _tables(figures, source, loaded)


def _tables(figures: Iterable[Figure], source: Source, loaded: dict[Path, Results]) -> Iterator[tuple[Figure, pd.DataFrame]]:
    kind = choose_device(source.device)
    for figure in figures:
        needs = figure.needs(source.config)
        results = [loaded[results_folder(run, source.out, kind)] for run in needs.runs]
        inputs = Inputs(
            results,
            [evaluate_on(results[index], other, source.device) for index, other in needs.evaluations],
            [image_table(name, source.out) for name in needs.image_studies],
            [source.study(name) for name in needs.studies],
            [source.grid(name) for name in needs.grids],
            [[*image_folders(name, source.out).values()][-1] for name in needs.image_studies],
        )
        yield figure, figure.compute(source.config, inputs)


def make(left: Work, source: Source, on_progress: OnProgress) -> dict[Path, Results]:
    """Run and evaluate what is left, with one progress for all of it.

    Returns:
        the results of the runs that were left, by the folders of `Work.runs`: runs that are not cached have others.

    Raises:
        InputError: a study is left; at full size only its own command runs it.
    """
    for why in left.studies.values():
        if why is not None and not (source.smoke and isinstance(why, NotMadeError)):
            raise why
    smallest = cost_of_run(SMOKE)
    studies = {name: sum(max(cost_of_run(cell), smallest) for cell in study_cells(name, smoke=True)) for name in left.studies}
    total = sum(map(cost_of_run, left.runs.values())) + sum(cost_of_test(other) for _, other in left.evaluations.values())
    total += sum(studies.values())
    done = 0.0

    def part(cost: float, what: str, stages: dict[str, tuple[float, float]]) -> OnProgress:
        """Reports one run's progress as a part of the whole, in thousandths; `stages` are (start, share) of the run."""
        begun = done

        def pass_on(progress: Progress) -> None:
            start, share = stages[progress.stage]
            at = begun + cost * (start + share * progress.done / progress.total)
            on_progress(Progress("figures", min(1000, round(1000 * at / total)), 1000, f"{what}, {progress.stage}"))

        return pass_on

    made: dict[Path, Results] = {}
    for place, run in left.runs.items():
        cost = cost_of_run(run)
        test = cost_of_test(run) / cost
        stages = {"training": (0.0, 1 - test), "testing": (1 - test, test)}
        made[place] = run_experiment(run, source.out, source.device, part(cost, run.name, stages))
        done += cost
    tested = {folder: made[folder] if folder in made else load_results(folder) for folder, _ in left.evaluations.values()}
    for folder, other in left.evaluations.values():
        cost = cost_of_test(other)
        evaluate_on(tested[folder], other, source.device, part(cost, other.name, {"testing": (0, 1)}))
        done += cost
    for name, cost in studies.items():
        run_small(name, source.out, source.device, part(cost, name, {"cells": (0, 1)}))
        done += cost
    return made

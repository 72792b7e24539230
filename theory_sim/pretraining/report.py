"""The results of a study for people: printed tables, and a verdict in words."""

from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from theory_sim.pretraining.study import Outcome, Transferred
from theory_sim.pretraining.tables import labels_table
from theory_sim.runtime.errors import InputError
from theory_sim.stats import FEW, MOST, replicas_needed


def labels_for_people(outcome: Outcome) -> Table:
    """The label functions, to print."""
    table = Table(
        "labels", "classes", "images", "per class", "inside one", "purity", "AMI", title="label functions, on the images used"
    )
    for row in _rows_of(labels_table(outcome)):
        each = f"{row.images_of_smallest_class} … {row.images_of_largest_class}"
        values = (row.inside, row.purity, row.adjusted_mutual_information)
        aligned = ["" if value is None else f"{value:.2f}" for value in values]
        table.add_row(str(row.label_function), str(row.classes), str(row.images), each, *aligned)
    return table


def results_for_people(outcome: Outcome) -> Table:
    """Errors in per cent, and gains in points, on all test images and on the hard and easy ones, to print."""
    results, level = outcome.results, f"{outcome.study.confidence:.0%}"
    columns = (
        "labels",
        "classes",
        "transfer",
        "steps",
        f"error % [{level}]",
        f"gain, points [{level}]",
        "gain on hard",
        "gain on easy",
        "controls on hard",
    )
    hard, easy = (f"{kind}-{outcome.study.splits[0]}" for kind in ("hard", "easy"))
    n = int(results[results.samples == "all"].samples_per_seed.iloc[0]) if len(results) else 0
    table = Table(*columns, title=f"coarse target, {n} test images, {outcome.study.seeds} seeds")
    index = ["label_function", "transfer", "pretraining_steps", "transfer_steps"]
    for _, part in results.groupby(index, sort=False):
        rows = {row.samples: row for row in _rows_of(part)}
        whole = rows["all"]
        steps = (
            f"{whole.pretraining_steps} + {whole.transfer_steps}"
            if whole.transfer_steps or whole.kind not in ("baseline", "control")
            else str(whole.pretraining_steps)
        )
        classes = "" if pd.isna(whole.classes) else str(int(whole.classes))
        gains = [
            _interval(rows[kind], "gain", "gain_low", "gain_high") if kind in rows and whole.kind != "baseline" else ""
            for kind in ("all", hard, easy)
        ]
        control = _largest_control(rows[hard]) if hard in rows else float("nan")
        gains.append("" if np.isnan(control) else f"≤ {100 * control:.1f}")
        table.add_row(whole.label_function, classes, whole.transfer, steps, _interval(whole, "error", "low", "high"), *gains)
    return table


_CONTROLS = ("control_width", "control_augmentation", "control_split")


def _largest_control(row: Any) -> float:
    """The largest gain of a control beside a row; NaN where there is none."""
    gains = [float(value) for name in _CONTROLS if not pd.isna(value := getattr(row, name, None))]
    return max(gains, default=float("nan"))


_NONE_IS_HARD = {
    "both": "no test image is misclassified by most of the other seeds' baselines and by most of the networks compared with them",
    "misclassified": "no test image is misclassified by at least half of the other seeds' baselines",
    "unconfident": "there are fewer than four test images",
}


def _why_none_is_hard(hard: pd.DataFrame, split: str, seeds: int) -> str:
    """Why no row has a hard image; empty where one has."""
    if hard.samples_per_seed.sum() > 0:
        return ""
    if len(hard):
        return f"there are none: {_NONE_IS_HARD[split]}"
    return f"not decided: that takes networks of other seeds, and there {'is one seed' if seeds == 1 else 'are too few'}"


def _rows_of(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _interval(row: Any, value: str, low: str, high: str) -> str:
    numbers = [100 * float(getattr(row, name)) for name in (value, low, high)]
    if np.isnan(numbers[0]):
        return "no such images" if row.samples_per_seed == 0 else "undefined"
    return f"{numbers[0]:.1f} [{numbers[1]:.1f}, {numbers[2]:.1f}]"


def verdict(outcome: Outcome) -> list[str]:
    """One line for each transfer, on all test images and on the hard ones: which label functions lower or raise the error.

    Where there are no hard images one line says why.

    A gain counts where its interval is above 0 and its p-value is significant after Holm's correction; a loss counts
    where its whole interval is below 0. On hard images the whole interval of a gain must also exceed the controls' gains.
    """
    lines = []
    table = outcome.results[~outcome.results.kind.isin(["baseline", "control"])]
    split, seeds = outcome.study.splits[0], outcome.study.seeds
    hard = f"hard-{split}"
    for samples in ("all", hard):
        if samples == hard and (why := _why_none_is_hard(table[table.samples == hard], split, seeds)):
            lines.append(f"hard images: {why}")
            continue
        for (transfer, steps), part in table[table.samples == samples].groupby(["transfer", "transfer_steps"], sort=False):
            helps = [
                row.label_function
                for row in _rows_of(part)
                if row.gain_low > 0
                and row.p_holm < 1 - outcome.study.confidence
                and not (samples == hard and row.gain_low <= _largest_control(row))
            ]
            harms = [row.label_function for row in _rows_of(part) if row.gain_high < 0]
            said = [f"{', '.join(names)}: {what}" for names, what in ((helps, "lower error"), (harms, "higher error")) if names]
            where = "all test images" if samples == "all" else "hard images"
            after = f"{transfer} ({steps} steps)" if steps else str(transfer)
            lines.append(f"{where}, {after}: " + ("; ".join(said) or _no_difference(samples, seeds)))
    return lines


def _no_difference(samples: str, seeds: int) -> str:
    if seeds < FEW:
        return f"no gain is tested, which takes {FEW} seeds, and no label function raises the error"
    if samples == "all":
        return "no label function differs significantly from the baseline"
    return "no label function lowers the error significantly and by more than the controls, and none raises it"


def power(outcome: Outcome, gain: float = 0.01, wanted: float = 0.9) -> list[str]:
    """How many seeds would decide a gain, by the longest transfer of the first mode; nothing with one seed.

    The spread is that of the gains on the *validation* images, so that a pilot plays no part in the test: the square root of the
    mean variance over the label functions.

    Args:
        outcome: of the study.
        gain: to decide, as a fraction of the test images.
        wanted: probability of deciding it.
    """
    if not outcome.transferred:
        return []
    first = outcome.transferred[0].transfer
    steps = max(found.steps for found in outcome.transferred if found.transfer == first)
    alike = [found for found in outcome.transferred if (found.transfer, found.steps) == (first, steps)]
    spreads = [spread for found in alike if (spread := spread_of_gains(outcome, found)) is not None]
    if not spreads:
        return []
    spread = float(np.sqrt(np.mean(np.square(spreads))))
    try:
        seeds = f"{replicas_needed(gain, spread, wanted, outcome.study.confidence, len(spreads))}"
    except InputError:  # few test images
        seeds = f"more than {MOST}"
    after = f"{first} ({steps} steps)" if steps else first
    return [
        f"power, {after}: gains differ among seeds by {100 * spread:.2f} points (standard deviation); {seeds} seeds would show a"
        f" gain of {100 * gain:g} point in {wanted:.0%} of studies, {len(spreads)} label functions corrected together"
    ]


def spread_of_gains(outcome: Outcome, found: Transferred) -> float | None:
    """Standard deviation among seeds of the gain on the validation images; None with fewer than two seeds.

    At least the standard deviation of the gain on N independent test images, √((ẽ₁(1 − ẽ₁) + ẽ₂(1 − ẽ₂)) / N) with
    ẽ = (e N + 1/2) / (N + 1) for an error e, as in `theory_sim.stats.gain_of_rates`.
    """
    baselines = outcome.baselines.get(outcome.study.pretraining.steps + found.steps, {})
    pairs = [
        [float(1 - answers[seed]["validation"].correct.double().mean()) for answers in (baselines, found.answers)]
        for seed in found.answers
        if seed in baselines
    ]
    if len(pairs) < 2:
        return None
    before, after = np.array(pairs).T
    n = len(next(iter(found.answers.values()))["test"].correct)
    least = sum(e * (1 - e) for e in ((errors.mean() * n + 0.5) / (n + 1) for errors in (before, after))) / n
    return float(np.sqrt(max(np.var(before - after, ddof=1), least)))

"""What the figures of studies share: the errors of the cells with intervals, and the panel of the study's comparisons."""

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import style, symbols
from theory_sim.figures.common.figure import Needs, StudyTables
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import of_part, rows
from theory_sim.figures.common.values import number
from theory_sim.studies.decision import Verdict

INTERVALS = (
    "Errors are means over replicas; bars are 95 % intervals over replicas (union of t, Cox's log-normal one, and Clopper–Pearson"
    " of all samples)."
)
COMPARISONS = (
    "{where}: the study's comparisons. Markers are the reductions of the error along each arrow, paired by replica, with"
    " intervals that jointly cover with 95 % (Bonferroni; cut where they leave the panel). Dotted: the smallest"
    " reduction that would matter. Filled: confirmed; open: undecided; cross: refuted. A comparison"
    " without a result has no marker."
)
MARKERS = {"confirmed": "o", "undecided": "o", "refuted": "X", "no result": ""}
"""The marker of each answer."""

_INK = "0.2"
_LINE = 26
"""Characters in a line of a comparison's name."""


def needs(study: str) -> Callable[[Config], Needs]:
    """The function `theory_sim.figures.Figure.needs` of a figure that is drawn from one study and from nothing else."""
    return lambda config: Needs(studies=[study])


def errors(
    tables: StudyTables, models: Sequence[str], kinds: Sequence[str], readouts: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Errors of all cells that have results, in the order of the cells.

    Args:
        tables: the study's tables.
        models: of ``coarse`` and ``fine``.
        kinds: kinds of test samples, of ``easy`` and ``hard``.
        readouts: of those computed; by default the first one of the configuration, which the claims use.

    Yields:
        ``cell``; ``labels`` and ``classes``, the label function of the model and its number of labels; ``model``, ``samples``,
        ``readout``, ``replicas``; and the interval.
    """
    replicas, config = tables.replicas, tables.config
    for cell in replicas.cell.unique():
        for model in models:
            for kind in kinds:
                for readout in readouts or config.transfer.readouts[:1]:
                    own = replicas[
                        (replicas.cell == cell)
                        & (replicas.model == model)
                        & (replicas.kind == kind)
                        & (replicas.readout == readout)
                    ]
                    errors = own.error.to_numpy(float)
                    yield {
                        "cell": cell,
                        "labels": own.labels.iloc[0],
                        "classes": int(own.classes.iloc[0]),
                        "model": model,
                        "samples": kind,
                        "readout": readout,
                        "replicas": len(own),
                    } | interval(stats.error_of_rates(errors, config.test.samples, config.claims.confidence))


def comparisons(tables: StudyTables) -> Iterator[dict[str, Any]]:
    """The study's comparisons; those repeated for each value of a key are sorted by that value.

    Yields:
        ``comparison``, and ``key`` and ``at`` (key and value in short) where it is repeated for each value of a key; the
        interval, ``p_holm``, ``at_least``, ``answer``; and ``study_answer`` and ``basis`` of the whole study.
    """
    groups: dict[tuple[str, str | None], list[Verdict]] = {}
    for verdict in tables.answer.verdicts:
        groups.setdefault((verdict.comparison, verdict.key), []).append(verdict)
    for (comparison, key), verdicts in groups.items():
        for verdict in sorted(verdicts, key=lambda verdict: number(verdict.value)):
            at = np.nan if key is None else symbols.equals(key, symbols.value(verdict.value))
            yield (
                {"comparison": comparison, "key": np.nan if key is None else key, "at": at}
                | interval(verdict.estimate)
                | {
                    "p_holm": np.nan if verdict.p_holm is None else verdict.p_holm,
                    "at_least": verdict.at_least,
                    "answer": verdict.answer,
                    "study_answer": tables.answer.answer,
                    "basis": tables.answer.basis,
                }
            )


def with_comparisons(errors: pd.DataFrame, tables: StudyTables) -> pd.DataFrame:
    """A table of errors, whose column ``part`` is ``error``, followed by the study's comparisons, whose ``part`` is ``fall``."""
    found = pd.DataFrame([{"part": "fall"} | row for row in comparisons(tables)])
    return pd.concat([errors, found], ignore_index=True)


def lines(table: pd.DataFrame) -> list[tuple[str, int | None]]:
    """The lines of the panel of comparisons: a text and the index of its row, or None for the heading of several rows."""
    found: list[tuple[str, int | None]] = []
    headed: tuple[str, str] | None = None
    for row in rows(table):
        if pd.isna(row.key):
            found.append(("\n".join(textwrap.wrap(row.comparison, _LINE)), row.Index))
            continue
        if headed != (row.comparison, row.key):
            headed = (row.comparison, row.key)
            found.append((row.comparison, None))
        found.append((row.at, row.Index))
    return found


def height(table: pd.DataFrame, least: float = 2.7) -> float:
    """Height in inches that the panel of comparisons needs, at least `least`."""
    written = sum(1 + text.count("\n") + (0.6 if "\n" in text else 0) for text, _ in lines(of_part(table, "fall")))
    return max(least, 0.9 + 0.15 * written)


def draw_comparisons(table: pd.DataFrame, ax: Axes) -> None:
    """Draw one line per comparison, with its name at the left and its answer at the right; the title is the study's answer.

    Args:
        table: of a study's figure; the rows whose ``part`` is ``fall`` are drawn.
        ax: the panel.
    """
    table = of_part(table, "fall")
    at, ticks, height = 0.0, dict[float, str](), 0.0
    ends = [0.0, *table.at_least, *np.clip(table[["low", "value", "high"]].to_numpy(float).ravel(), -1, 1)]
    for text, index in lines(table):
        # A line of text is one unit high; longer names need more.
        height = 1.0 if "\n" not in text else text.count("\n") + 1.6
        at += height / 2
        if index is None:
            look: dict[str, Any] = {
                "va": "center",
                "fontsize": 7,
                "style": "italic",
                "bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.5},
            }
            ax.annotate(text, (0, at), (3, 0), ("axes fraction", "data"), "offset points", **look)
        else:
            _draw_comparison(ax, table.iloc[index], at)
            ticks[at] = text
        at += height / 2
    ax.axvline(0, color=style.PALETTE["noise"], linewidth=0.8, zorder=1, label="no fall")
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize=7)
    ax.tick_params("y", length=0)
    ax.set_ylim(at + 0.2, -0.2)
    low, high = np.nanmin(ends), np.nanmax(ends)
    room = 0.06 * (high - low)
    ax.set_xlim(max(-1.05, low - room), min(1.05, high + room))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("fall of the error")
    ax.set_title(f"study: {table.study_answer.iloc[0]}")


def _draw_comparison(ax: Axes, row: pd.Series, y: float) -> None:
    """Draw one comparison."""
    face = "white" if row.answer == "undecided" else _INK
    reach = [[row.value - row.low], [row.high - row.value]] if math.isfinite(row.value) else None
    ax.errorbar(
        [row.value],
        [y],
        xerr=reach,
        color=_INK,
        marker=MARKERS[row.answer],
        markersize=4.5,
        markerfacecolor=face,
        capsize=2,
        elinewidth=1,
        zorder=4,
        label=row.answer,
    )
    ax.plot([row.at_least] * 2, [y - 0.45, y + 0.45], **style.BOUND | {"linewidth": 1}, label="at least", zorder=3)
    ax.annotate(row.answer, (1, y), (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7)

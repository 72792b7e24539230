"""What the figures of studies share: errors of cells with intervals, and the comparisons that decide with their answers."""

import json
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from theory_sim import stats
from theory_sim.figures import Needs, style, symbols
from theory_sim.figures.groups import interval
from theory_sim.figures.inputs import StudyTables

if TYPE_CHECKING:
    from theory_sim.studies.study import Verdict

INTERVALS = (
    "Errors are means over replicas, bars 95 % intervals (t over replicas, widened to the Clopper–Pearson interval of all"
    " samples)."
)
FALLS = (
    "{where}: the study's comparisons, by how much the error falls along each arrow, paired by replica, with intervals that cover"
    " together with 95 % (Bonferroni; cut where they leave the panel); dotted: the smallest fall that would matter; filled:"
    " confirmed, open: undecided, cross: not confirmed."
)

_MARKERS = {"confirmed": "o", "undecided": "o", "not confirmed": "X"}
_INK = "0.2"
_LINE = 26
"""Letters in a line of a comparison's name."""
_NEAR = 9
"""Positive values that lie further apart than this factor are drawn on a logarithmic axis."""


def needs(name: str, config: Any = None) -> Needs:
    """The study's tables; the configuration given does not matter."""
    return Needs(studies=[name])


def keys_of(tables: StudyTables) -> list[str]:
    """The keys of the grids that take more than one value."""
    columns = list(tables.cells.columns)
    return [key for key in columns[1 : columns.index("status")] if tables.cells[key].astype(str).nunique() > 1]


def errors(
    tables: StudyTables, models: Sequence[str], kinds: Sequence[str], readouts: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Errors of all cells that have results, in their order.

    Args:
        tables: of the study.
        models: of coarse and fine.
        kinds: of test samples, easy and hard.
        readouts: of those computed; the first of the configuration, which decides, without it.

    Yields:
        ``cell``, ``labels`` and ``classes`` that the model was trained with, ``model``, ``samples``, ``readout``, ``replicas``,
        and the interval.
    """
    rows, config = tables.replicas, tables.config
    for cell in rows.cell.unique():
        for model in models:
            for kind in kinds:
                for readout in readouts or config.transfer.readouts[:1]:
                    own = rows[(rows.cell == cell) & (rows.model == model) & (rows.kind == kind) & (rows.readout == readout)]
                    # As many samples of one replica, all with its mean: the same sums.
                    correct = np.repeat(1 - own.error.to_numpy(float)[:, None], config.test.samples, axis=1)
                    yield {
                        "cell": cell,
                        "labels": own.labels.iloc[0],
                        "classes": int(own.classes.iloc[0]),
                        "model": model,
                        "samples": kind,
                        "readout": readout,
                        "replicas": len(own),
                    } | interval(stats.error_rate(correct, config.claims.confidence))


def falls(tables: StudyTables) -> Iterator[dict[str, Any]]:
    """The comparisons, those for each value of a key in the order of the values.

    Yields:
        ``comparison``, and ``key`` and ``at`` (which value) where there is one for each; the interval, ``p_holm``, ``at_least``,
        ``answer``, and the whole study's ``study_answer`` with its ``basis``.
    """
    groups: dict[tuple[str, str], list[tuple[str, Verdict]]] = {}
    for verdict in tables.answer.verdicts:
        each = re.fullmatch(r"(.*), (\w+(?:\.\w+)+)=(.*)", verdict.name)
        comparison, key, value = each.groups() if each else (verdict.name, "", "")
        groups.setdefault((comparison, key), []).append((value, verdict))
    for (comparison, key), verdicts in groups.items():
        for value, verdict in sorted(verdicts, key=lambda found: number(found[0])):
            at = {"key": key, "at": symbols.equals(key, symbols.value(value))} if key else {"key": np.nan, "at": np.nan}
            yield (
                {"comparison": comparison}
                | at
                | interval(verdict.estimate)
                | {
                    "p_holm": np.nan if verdict.p_holm is None else verdict.p_holm,
                    "at_least": verdict.at_least,
                    "answer": verdict.answer,
                    "study_answer": tables.answer.answer,
                    "basis": tables.answer.basis,
                }
            )


def lines(table: pd.DataFrame) -> list[tuple[str, int | None]]:
    """The lines of the panel of falls: a text and the number of its row, or None for the heading of several."""
    found: list[tuple[str, int | None]] = []
    headed: tuple[str, str] | None = None
    for row in table.itertuples():
        if pd.isna(row.key):
            found.append(("\n".join(textwrap.wrap(row.comparison, _LINE)), row.Index))
            continue
        if headed != (row.comparison, row.key):
            headed = (row.comparison, row.key)
            found.append((row.comparison, None))
        found.append((row.at, row.Index))
    return found


def height(table: pd.DataFrame, least: float = 2.7) -> float:
    """Inches that a figure's panel of falls needs."""
    written = sum(1 + text.count("\n") + (0.6 if "\n" in text else 0) for text, _ in lines(of_part(table, "fall")))
    return max(least, 0.9 + 0.15 * written)


def of_part(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """The rows of one part, numbered anew."""
    return table[table.part == part].reset_index(drop=True)


def draw_falls(table: pd.DataFrame, ax: Axes) -> None:
    """A line per comparison, its name at the left and its answer at the right; the study's answer above."""
    at, ticks, height = 0.0, {}, 0.0
    ends = [0.0, *table.at_least, *np.clip(table[["low", "value", "high"]].to_numpy(float).ravel(), -1, 1)]
    for text, number in lines(table):
        # A line of text is one unit high; longer names push their neighbours away.
        height = 1.0 if "\n" not in text else text.count("\n") + 1.6
        at += height / 2
        if number is None:
            look = {"va": "center", "fontsize": 7, "style": "italic", "bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.5}}
            ax.annotate(text, (0, at), (3, 0), ("axes fraction", "data"), "offset points", **look)
        else:
            _fall(ax, table.loc[number], at)
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


def _fall(ax: Axes, row: pd.Series, y: float) -> None:
    """One comparison."""
    face = "white" if row.answer == "undecided" else _INK
    reach = [[row.value - row.low], [row.high - row.value]] if math.isfinite(row.value) else None
    ax.errorbar(
        [row.value],
        [y],
        xerr=reach,
        color=_INK,
        marker=_MARKERS[row.answer],
        markersize=4.5,
        markerfacecolor=face,
        capsize=2,
        elinewidth=1,
        zorder=4,
        label=row.answer,
    )
    ax.plot([row.at_least] * 2, [y - 0.45, y + 0.45], **style.BOUND | {"linewidth": 1}, label="at least", zorder=3)
    ax.annotate(row.answer, (1, y), (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7)


def number(value: Any) -> float:
    """Where a value of a grid lies on a numeric axis: ranges at their middle; NaN where it is no number."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return math.nan
    if isinstance(value, list) and value and all(isinstance(v, int | float) for v in value):
        return float(np.mean(value))
    return math.nan if value is None or isinstance(value, bool | np.bool_ | list) else float(value)


def text(value: Any) -> str:
    """A value of a grid in one form, whether it comes from a configuration or from a table, which holds lists as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "null" if value is None else f"{float(value):g}"


def word(value: Any) -> str | float:
    """A value's `text`, where it is more than a number: that of a table whose other column holds the number, or NaN."""
    found = text(value)
    return np.nan if re.fullmatch(r"[-+.e\d]+", found) else found


def axis(ax: Axes, values: Sequence[float]) -> None:
    """Scale of an x axis: logarithmic where positive values lie far apart, and linear from 0 to the smallest of them."""
    positive = [value for value in values if value > 0]
    if len(positive) < 2 or max(positive) <= _NEAR * min(positive):
        room = 0.06 * (max(values) - min(values)) or 1.0
        ax.set_xlim(min(values) - room, max(values) + room)
        return
    if min(values) <= 0:
        ax.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
        ax.set_xlim(-0.3 * min(positive), 1.35 * max(positive))
    else:
        ax.set_xscale("log")
        ax.set_xlim(min(positive) / 1.35, 1.35 * max(positive))
    ax.minorticks_off()


def ticks(ax: Axes, at: Sequence[float], texts: Sequence[str], inches: float, first: int = 0, size: float = 7) -> None:
    """Ticks at all values; labels where there is room, that of number `first` before all others."""
    places = ax.transData.transform([(x, 0.0) for x in at])[:, 0]
    low, high = ax.transData.transform([(x, 0.0) for x in ax.get_xlim()])[:, 0]
    places = (places - low) / (high - low) * inches
    letter = 0.6 * size / 72  # DejaVu's mean width
    kept: list[int] = []
    for i in sorted(range(len(at)), key=lambda i: (i != first, i not in (0, len(at) - 1), i)):
        reach = [letter * (len(texts[i]) + len(texts[j]) + 1) / 2 for j in kept]
        if all(abs(places[i] - places[j]) > r for j, r in zip(kept, reach, strict=True)):
            kept.append(i)
    ax.set_xticks(list(at), [text if i in kept else "" for i, text in enumerate(texts)], fontsize=size)

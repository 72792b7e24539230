"""One assumption at a time: each parameter of the theory varied alone, and where a claim is refuted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style, symbols, values
from theory_sim.figures.common.claims import MODELS, model_and_quantity
from theory_sim.figures.common.figure import Figure, Inputs, Layout, Panels, Size, StudyTables, register
from theory_sim.figures.common.tables import grouped
from theory_sim.runtime.settings import value_at

_COLUMNS = 4
_MARKERS = {"coarse": "s", "fine": "o"}
STRIP = {"coarse": -0.17, "fine": -0.34}
"""Height of the row of each model's claims, below the errors."""
_STATES: dict[str, dict[str, Any]] = {
    "refuted": {"marker": "X", "markersize": 4.5},
    "undecided": {"marker": "o", "markersize": 3.5, "markerfacecolor": "white"},
    "holds": {"marker": ".", "markersize": 2.5},
}
_INCHES = 1.3
"""About the width of a panel, which decides how many tick labels have room."""


def size(table: pd.DataFrame) -> Size:
    """The number of rows of panels decides the height."""
    return style.PAGE, 0.45 + 1.2 * len(layout(table)["mosaic"])


def layout(table: pd.DataFrame) -> Layout:
    """One panel per parameter, in the study's order."""
    keys = [str(key) for key in table.key.unique()]
    columns = min(_COLUMNS, len(keys))
    keys += ["."] * (-len(keys) % columns)
    return {"mosaic": [keys[i : i + columns] for i in range(0, len(keys), columns)]}


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Hard errors, and the claims that fail, at each value of each parameter while the others keep theirs.

    Returns:
        Columns ``key``; ``place`` (its value; the middle of a range) and ``word`` (a value that is no number), ``base_place`` and
        ``base_word`` (its value in the other cells); ``model``; ``value``, ``low``, ``high``, ``method``; ``state`` (the worst
        of its claims: refuted, no result, undecided, holds), and the claims about the model that are ``refuted`` and
        ``undecided``.
    """
    (tables,) = inputs.studies
    return pd.DataFrame(_rows(tables))


def _rows(tables: StudyTables) -> Iterator[dict[str, Any]]:
    keys = tables.keys
    base = {key: value_at(tables.config, key) for key in keys}
    texts = {key: values.text(value) for key, value in base.items()}
    cells = tables.cells.groupby("cell", sort=False)
    turned = {cell: [key for key in keys if values.text(rows[key].iloc[0]) != texts[key]] for cell, rows in cells}
    for key in keys:
        # The cell of the base, if it was run, belongs to every parameter.
        own = {cell: rows for cell, rows in cells if turned[cell] in ([key], [])}
        if not any(turned[cell] for cell in own):
            continue
        for rows in sorted(own.values(), key=lambda rows: _order(rows[key].iloc[0])):
            at = rows[key].iloc[0]
            known = {"key": key, "place": values.number(at), "word": values.word(at)}
            known |= {"base_place": values.number(base[key]), "base_word": values.word(base[key])}
            for model in MODELS:
                yield known | {"model": model} | _claims(rows, model)


def _order(value: Any) -> tuple[float, str]:
    number = values.number(value)
    return (number if np.isfinite(number) else 0.0, values.text(value))


def _claims(rows: pd.DataFrame, model: str) -> dict[str, Any]:
    """The state of the claims about a model at one value."""
    if (rows.status == "failed").any():
        nothing = dict.fromkeys(["value", "low", "high"], np.nan)
        return nothing | {"method": rows.reason.iloc[0], "state": "no result", "refuted": "none", "undecided": "none"}
    hard = rows[rows.id == f"{model}-hard-error"].iloc[0]
    own = rows[[model_and_quantity(claim)[0] == model for claim in rows.id]]
    claims = {state: own.id[own.decision == state] for state in ("refuted", "no result", "undecided")}
    return {
        "value": hard.estimate,
        "low": hard.low,
        "high": hard.high,
        "method": hard.method,
        "state": next((state for state, ids in claims.items() if len(ids)), "holds"),
        "refuted": " ".join(claims["refuted"]) or "none",
        "undecided": " ".join(claims["undecided"]) or "none",
    }


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel per parameter: the errors, and below them two rows with the states of the claims."""
    for key, of_key in grouped(table, "key", sort=False):
        ax, rows = axes[key], placed(of_key)
        _ticks(ax, rows)
        ax.axvline(rows.base_at.iloc[0], color=style.PALETTE["noise"], linewidth=0.8, zorder=1, label="base")
        for model in MODELS:
            own, color = rows[rows.model == model], style.PALETTE[model]
            look = {"linestyle": "solid", "linewidth": 1, "markersize": 3, "capsize": 1.5, "marker": _MARKERS[model]}
            style.estimates(ax, own, "x", color, label=model, **look)
            for state, mark in _STATES.items():
                at = own.x[own.state == state]
                if len(at):
                    ax.plot(at, [STRIP[model]] * len(at), color=color, linestyle="none", label=f"{model} {state}", **mark)
        ax.axhline(-0.06, color=style.PALETTE["noise"], linewidth=0.5, zorder=1, label="strip")
        ax.set_ylim(-0.45, 1.06)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=7)
        ax.set_title(symbols.name(key), fontsize=7.5, pad=2)
        ax.tick_params("both", pad=2)
        place = ax.get_subplotspec()
        if place is not None and not place.is_first_col():
            ax.set_yticklabels([])
    ax.figure.supylabel("hard test error", fontsize=8)
    _legend(ax)


def placed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with columns ``x`` and ``base_at``: the values, or their order if one of them is no number."""
    if rows.place.notna().all() and rows.base_place.notna().all():
        return rows.assign(x=rows.place, base_at=rows.base_place)
    order = {word: float(place) for place, word in enumerate(dict.fromkeys([*rows.base_word, *rows.word]))}
    return rows.assign(x=rows.word.map(order), base_at=rows.base_word.map(order))


def _ticks(ax: Axes, rows: pd.DataFrame) -> None:
    """Set ticks at the values and at the base; the label of the base is placed first."""
    words = dict(zip([*rows.base_at, *rows.x], [*rows.base_word, *rows.word], strict=True))
    at = sorted(words)
    values.axis(ax, at)
    shown = [f"{x:g}" if rows.place.notna().all() else str(words[x]) for x in at]
    values.ticks(ax, at, shown, _INCHES, first=at.index(rows.base_at.iloc[0]), size=6.5)


def _legend(ax: Axes) -> None:
    entries: dict[str, Artist] = {
        f"{model} model": Line2D([], [], color=style.PALETTE[model], marker=_MARKERS[model], markersize=3, linewidth=1)
        for model in MODELS
    }
    entries["value in the study"] = Line2D([], [], color=style.PALETTE["noise"], linewidth=0.8)
    for state, text in {"refuted": "a claim is refuted", "undecided": "undecided", "holds": "all hold"}.items():
        entries[text] = Line2D([], [], color="0.2", linestyle="none", **_STATES[state])
    style.legend(ax, entries, ncols=6, columnspacing=1.2, handletextpad=0.5)


FIGURE = register(
    Figure(
        "assumptions",
        "One assumption at a time: each parameter of the theory varied alone, and where a claim is refuted.",
        caption=(
            "Hard error of the coarse and of the fine model when one parameter is varied and all others keep their value in the"
            " study, which the grey line marks; ranges are at their middle. Bars: intervals over replicas that jointly cover"
            " with 95 %, over all claims and values of the study (Bonferroni). Below each panel, one row for the claims about"
            " the coarse model and one for those about the fine model, including the gain: a cross where a claim is refuted (its"
            " whole interval is on the wrong side of its bound), an open circle where one is undecided, a dot where all"
            " hold, and no mark where training gave no result."
        ),
        size=size,
        layout=layout,
        needs=comparisons.needs("assumptions"),
        compute=compute,
        draw=draw,
    )
)

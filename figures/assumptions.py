"""Which assumption does the work: each parameter of the theory turned alone, and where a claim fails."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures import study, style, symbols
from theory_sim.figures.inputs import StudyTables
from theory_sim.runs.results import Results
from theory_sim.runtime.settings import value_at

NAME = "assumptions"
CAPTION = (
    "Hard error of the coarse and of the fine model, each parameter turned alone, all others at their value in the study, which"
    " the grey line marks; ranges stand at their middle. Bars: intervals over replicas that cover together with 95 %, over all"
    " claims and values of the study (Bonferroni). Below each panel, a row for the claims about the coarse model and one for"
    " those about the fine model, the gain among them: a cross where any fails, its whole interval on the wrong side of its"
    " bound; an open circle where any is undecided, and a dot where all hold; nothing where training gave no result."
)
needs = partial(study.needs, NAME)

MODELS = ("coarse", "fine")
_COLUMNS = 4
_MARKERS = {"coarse": "s", "fine": "o"}
_STRIP = {"coarse": -0.17, "fine": -0.34}
_STATES = {
    "fails": {"marker": "X", "markersize": 4.5},
    "undecided": {"marker": "o", "markersize": 3.5, "markerfacecolor": "white"},
}
_STATES |= {"holds": {"marker": ".", "markersize": 2.5}}
_INCHES = 1.3
"""About the width of a panel, for its ticks."""


def SIZE(table: pd.DataFrame) -> tuple[float, float]:  # noqa: N802 - the module's size is a function of the table
    """As high as there are rows of panels."""
    return style.PAGE, 0.45 + 1.2 * len(LAYOUT(table)["mosaic"])


def LAYOUT(table: pd.DataFrame) -> dict[str, Any]:  # noqa: N802 - so is its layout
    """A panel per parameter, in the study's order."""
    keys = list(table.key.unique())
    columns = min(_COLUMNS, len(keys))
    keys += ["."] * (-len(keys) % columns)
    return {"mosaic": [keys[i : i + columns] for i in range(0, len(keys), columns)]}


def compute(config: Config, results: Sequence[Results], inputs: Sequence[StudyTables]) -> pd.DataFrame:
    """Hard errors, and which claims fail, at every value that a parameter takes while the others keep theirs.

    Returns:
        Columns ``key``; ``place`` (its value; of a range its middle) and ``word`` (if that is no number), ``base_place`` and
        ``base_word`` (the value elsewhere); ``model``; ``value``, ``low``, ``high``, ``method``; ``state`` (holds,
        undecided, fails, no result), and ``failing`` and ``open``, the claims about the model that fail or are undecided.
    """
    (tables,) = inputs
    return pd.DataFrame(_rows(tables))


def _rows(tables: StudyTables) -> Iterator[dict[str, Any]]:
    columns = list(tables.cells.columns)
    keys = columns[1 : columns.index("status")]
    base = {key: value_at(tables.config, key) for key in keys}
    texts = {key: study.text(value) for key, value in base.items()}
    cells = tables.cells.groupby("cell", sort=False)
    turned = {cell: [key for key in keys if study.text(rows[key].iloc[0]) != texts[key]] for cell, rows in cells}
    for key in keys:
        # The base, where it was run, belongs to every parameter.
        own = {cell: rows for cell, rows in cells if turned[cell] in ([key], [])}
        if not any(turned[cell] for cell in own):
            continue
        for rows in sorted(own.values(), key=lambda rows: _order(rows[key].iloc[0])):
            at = rows[key].iloc[0]
            known = {"key": key, "place": study.number(at), "word": study.word(at)}
            known |= {"base_place": study.number(base[key]), "base_word": study.word(base[key])}
            for model in MODELS:
                yield known | {"model": model} | _claims(rows, model)


def _order(value: Any) -> tuple[float, str]:
    number = study.number(value)
    return (number if np.isfinite(number) else 0.0, study.text(value))


def _claims(rows: pd.DataFrame, model: str) -> dict[str, Any]:
    """What became of the claims about a model at one value; the claim about both belongs to the fine one's."""
    if (rows.status == "failed").any():
        nothing = dict.fromkeys(["value", "low", "high"], np.nan)
        return nothing | {"method": rows.reason.iloc[0], "state": "no result", "failing": "none", "open": "none"}
    hard = rows[rows.quantity == f"{model}-hard-error"].iloc[0]
    own = rows[[(quantity.split("-")[0] == "coarse") == (model == "coarse") for quantity in rows.quantity]]
    wrong = np.where(own.side == "≤", own.low > own.bound, own.high < own.bound)
    failing, undecided = own.quantity[~own.holds.astype(bool) & wrong], own.quantity[~own.holds.astype(bool) & ~wrong]
    return {
        "value": hard.value,
        "low": hard.low,
        "high": hard.high,
        "method": hard.method,
        "state": "fails" if len(failing) else "undecided" if len(undecided) else "holds",
        "failing": " ".join(failing) or "none",
        "open": " ".join(undecided) or "none",
    }


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """A panel per parameter: errors above, what became of the claims in two rows below."""
    for key, of_key in table.groupby("key", sort=False):
        ax, rows = axes[str(key)], _placed(of_key)
        _ticks(ax, rows)
        ax.axvline(rows.base_at.iloc[0], color=style.PALETTE["noise"], linewidth=0.8, zorder=1, label="base")
        for model in MODELS:
            own, color = rows[rows.model == model], style.PALETTE[model]
            look = {"linestyle": "solid", "linewidth": 1, "markersize": 3, "capsize": 1.5, "marker": _MARKERS[model]}
            style.estimates(ax, own, "x", color, label=model, **look)
            for state, mark in _STATES.items():
                at = own.x[own.state == state]
                if len(at):
                    ax.plot(at, [_STRIP[model]] * len(at), color=color, linestyle="none", label=f"{model} {state}", **mark)
        ax.axhline(-0.06, color=style.PALETTE["noise"], linewidth=0.5, zorder=1, label="strip")
        ax.set_ylim(-0.45, 1.06)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=7)
        ax.set_title(symbols.name(str(key)), fontsize=7.5, pad=2)
        ax.tick_params("both", pad=2)
        if not ax.get_subplotspec().is_first_col():
            ax.set_yticklabels([])
    figure = next(iter(axes.values())).figure
    figure.supylabel("hard test error", fontsize=8)
    _legend(figure)


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """With the column ``x``: the values, or their order where they are no numbers; the base is one of them."""
    if rows.place.notna().all() and rows.base_place.notna().all():
        return rows.assign(x=rows.place, base_at=rows.base_place)
    order = {word: float(place) for place, word in enumerate(dict.fromkeys([*rows.base_word, *rows.word]))}
    return rows.assign(x=rows.word.map(order), base_at=rows.base_word.map(order))


def _ticks(ax: Axes, rows: pd.DataFrame) -> None:
    """At the values and the base, whose label comes first."""
    words = dict(zip([*rows.base_at, *rows.x], [*rows.base_word, *rows.word], strict=True))
    at = sorted(words)
    study.axis(ax, at)
    shown = [f"{x:g}" if rows.place.notna().all() else str(words[x]) for x in at]
    study.ticks(ax, at, shown, _INCHES, first=at.index(rows.base_at.iloc[0]), size=6.5)


def _legend(figure: Any) -> None:
    entries: dict[str, Any] = {
        f"{model} model": Line2D([], [], color=style.PALETTE[model], marker=_MARKERS[model], markersize=3, linewidth=1)
        for model in MODELS
    }
    entries["value in the study"] = Line2D([], [], color=style.PALETTE["noise"], linewidth=0.8)
    for state, text in {"fails": "a claim fails", "undecided": "a claim is undecided", "holds": "all hold"}.items():
        entries[text] = Line2D([], [], color="0.2", linestyle="none", **_STATES[state])
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=6, columnspacing=1.2, handletextpad=0.5
    )

"""Plots of results for a notebook: each function draws into given or new axes, and returns them.

The session's own style of matplotlib applies; colours of roles are those of the gallery.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from theory_sim.figures.common import style
from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError, expect, one_line
from theory_sim.theories.claims import ClaimResult
from theory_sim.theories.feature_groups import of_heads
from theory_sim.theories.theory import evaluate_claims

_ROLES = {"common": "common", "own rare": "rare", "other": "noise"}
_DECISIONS = {"holds": "#0B7A3B", "refuted": "#B3261E", "undecided": "#8A6D00", "no result": "#5A5A5A"}


def correlations(
    results: Results, network: str = "fine", head: int = 0, neuron: int | None = None, replica: int = 0, ax: Axes | None = None
) -> Axes:
    """Correlations ⟨w, v⟩ of one neuron with all features over training, in units of σ_0.

    Args:
        results: a run.
        network: one of its networks.
        head: the neuron's head.
        neuron: its number in the head; None: the one with the largest correlation at the end.
        replica: the replica.
        ax: axes to draw into; None: new ones.

    Raises:
        InputError: there is no such network, replica, head or neuron.
    """
    data = _record(results, network)
    for what, index in (("replica", replica), ("head", head), ("neuron", 0 if neuron is None else neuron)):
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise InputError(f"plot.correlations: {what}: expected a whole number, got {type(index).__name__}")
        if not data.sizes[what]:
            raise InputError(f"the record of the {network} network has no {what}s: there is nothing to draw")
        if not 0 <= index < data.sizes[what]:
            raise InputError(f"there is no {what} {index}: the {network} network has 0 to {data.sizes[what] - 1}")
    values = data.correlation.values[replica, :, head] / results.config.network.init_std  # (step, neuron, feature)
    chosen = int(np.abs(values[-1]).max(-1).argmax()) if neuron is None else neuron
    lucky = data.lucky.values[replica, head, chosen]
    ax = _axes(ax)
    named = set()
    for group, member in of_heads(data, results.config).items():
        for feature in np.flatnonzero(member[head]).tolist():
            label = None if group in named else group
            named.add(group)
            width = 2.0 if lucky[feature] else 0.8
            color = style.PALETTE[_ROLES[group]]
            ax.plot(data.step.values, values[:, chosen, feature], color=color, linewidth=width, label=label)
    style.steps(ax, int(data.step.values[-1]))
    ax.set_ylabel(r"correlation $\langle w, v\rangle\,/\,\sigma_0$")
    ax.set_title(f"{network} network, head {head}, neuron {chosen}, replica {replica}")
    ax.legend(title="features; thick: lucky")
    return ax


def claims(results: Results | Sequence[ClaimResult], ax: Axes | None = None) -> Axes:
    """The interval of each claim against its bound, each on a scale of its own from 0 or its smallest number to its largest.

    Args:
        results: a run, or its decided claims.
        ax: axes to draw into; None: new ones.

    Raises:
        InputError: there is no claim.
    """
    expect("plot.claims", results, Results, Sequence)
    decided = evaluate_claims(results) if isinstance(results, Results) else list(results)
    if not decided:
        raise InputError("plot.claims: there is no claim to draw")
    for claim in decided:
        expect("plot.claims: a claim", claim, ClaimResult)
    ax = _axes(ax)
    for row, claim in enumerate(decided):
        e, color = claim.estimate, _DECISIONS[claim.decision]
        ax.text(1.03, row, f"{claim.decision}: {claim.side} {claim.bound:.3g}", va="center", color=color)
        numbers = [number for number in (e.value, e.low, e.high, claim.bound) if np.isfinite(number)]
        first, last = min(0.0, *numbers), max(0.0, *numbers)
        low, value, high, bound = ((number - first) / ((last - first) or 1.0) for number in (e.low, e.value, e.high, claim.bound))
        ax.plot([bound, bound], [row - 0.35, row + 0.35], **style.BOUND)
        if np.isfinite([low, value, high]).all():
            ax.plot([low, high], [row, row], color=color, linewidth=2)
            ax.plot(value, row, "o", color=color)
    ax.set_yticks(range(len(decided)), [claim.id for claim in decided])
    ax.invert_yaxis()
    ax.set_xlim(-0.03, 1.03)
    ax.set_xticks([])
    ax.set_xlabel("interval, and bound (dotted); each claim on its own scale")
    return ax


def responses(results: Results, network: str = "fine", ax: Axes | None = None) -> Axes:
    """Responses of heads to features over training: means over heads and features of a group, bands over replicas.

    Args:
        results: a run.
        network: one of its networks.
        ax: axes to draw into; None: new ones.

    Raises:
        InputError: there is no such network.
    """
    data = _record(results, network)
    ax = _axes(ax)
    for group, member in of_heads(data, results.config).items():
        if member.any():
            values = data.response.values[:, :, member].mean(-1)  # (replica, step)
            color = style.PALETTE[_ROLES[group]]
            ax.fill_between(data.step.values, values.min(0), values.max(0), color=color, alpha=0.2, linewidth=0)
            ax.plot(data.step.values, values.mean(0), color=color, label=group)
    style.steps(ax, int(data.step.values[-1]))
    ax.set_ylabel("response")
    ax.set_title(f"{network} network")
    ax.legend(title="features")
    return ax


def phase(sweep: pd.DataFrame | str | Path, x: str, y: str, claim: str = "coarse-hard-error", ax: Axes | None = None) -> Axes:
    """The estimate of a claim over a plane of two settings, with a sign for its decision in each cell.

    Args:
        sweep: the folder of a sweep, or its table ``cells`` (`theory_sim.studies.tables`).
        x: key of the grids, such as ``hard.noise``.
        y: another one.
        claim: the id of a claim.
        ax: axes to draw into; None: new ones.

    Raises:
        InputError: there is no such key or claim, or several cells have the same two values.
    """
    table = _cells(sweep)
    for key in (x, y, "id", "estimate", "decision"):
        if key not in table:
            raise InputError(f"plot.phase: the sweep has no key {key}; its columns are {', '.join(map(str, table.columns))}")
    if x == y:
        raise InputError(f"plot.phase: x and y are both {x}: name two different keys")
    own = table[table.id == claim]
    if own.empty:
        raise InputError(f"plot.phase: there is no claim '{claim}'; there are {', '.join(table.id.dropna().unique()) or 'none'}")
    if own.duplicated([x, y]).any():
        raise InputError(f"plot.phase: several cells have the same {x} and {y}: choose the rows of one plane")
    values, decisions = (own.pivot(index=y, columns=x, values=column) for column in ("estimate", "decision"))
    ax = _axes(ax)
    numbers = values.to_numpy(dtype=float)
    picture = ax.imshow(numbers, origin="lower", aspect="auto", cmap=style.LEVELS, norm=Normalize())
    middle = np.nanmean([picture.norm.vmin, picture.norm.vmax])
    signs = {"holds": "✓", "refuted": "✗"}
    for (row, column), number in np.ndenumerate(numbers):
        sign = signs.get(str(decisions.iat[row, column]), "?")
        color = "white" if number > middle else "black"
        ax.text(column, row, f"{sign} {number:.2g}" if np.isfinite(number) else "?", ha="center", va="center", color=color)
    ax.set_xticks(range(len(values.columns)), [str(value) for value in values.columns])
    ax.set_yticks(range(len(values.index)), [str(value) for value in values.index])
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(f"{claim}: ✓ holds, ✗ refuted, ? neither")
    return ax


def _record(results: Results, network: str) -> Any:
    expect("plot", results, Results)
    records: Mapping[str, Any] = results.records
    expect("plot: network", network, str)
    if network not in records:
        raise InputError(f"there is no network '{network}'; there are {', '.join(records) or 'none'}")
    return records[network]


def _cells(sweep: pd.DataFrame | str | Path) -> pd.DataFrame:
    expect("plot.phase", sweep, pd.DataFrame, str, Path)
    if isinstance(sweep, pd.DataFrame):
        return sweep
    folder = Path(sweep)
    if not (folder / "cells.parquet").is_file():
        raise InputError(f"plot.phase: {folder} holds no tables of a sweep")
    try:
        return pd.read_parquet(folder / "cells.parquet")
    except (OSError, ValueError) as error:
        raise InputError(f"plot.phase: cannot read {folder / 'cells.parquet'}: {one_line(str(error))}") from None


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        expect("ax", ax, Axes)
        return ax
    from matplotlib import pyplot

    made: Axes = pyplot.subplots(layout="constrained")[1]
    return made

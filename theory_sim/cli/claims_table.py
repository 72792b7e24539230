"""How decided claims are printed: grouped by theorem, with what the signs and the limits of their intervals mean."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from theory_sim.cli.notes import note_lines
from theory_sim.runtime.display import new_console, new_table

if TYPE_CHECKING:
    from theory_sim.theories.claims import ClaimResult

_COLORS = {"holds": "green", "refuted": "red", "undecided": "yellow", "no result": "yellow"}
"""Colours of the verdicts."""


def print_claims(decided: "Sequence[ClaimResult]", confidence: float, theorems: Mapping[str, str], explain: bool = False) -> None:
    """Print a heading and a table for each theorem, then a line for each sign and note in them.

    Args:
        decided: the claims, in the order in which they are shown.
        confidence: of their intervals.
        theorems: the statement of each theorem, where it is known.
        explain: whether to add the statement of each claim.
    """
    console = new_console()
    for theorem in dict.fromkeys(claim.theorem for claim in decided):
        own = [claim for claim in decided if claim.theorem == theorem]
        held = f"{sum(claim.holds for claim in own)} of {len(own)} {'claim holds' if len(own) == 1 else 'claims hold'}"
        print(f"{theorem or 'no theorem'}: {held}")
        if theorem in theorems:
            print(theorems[theorem])
        console.print(_table(own, confidence))
        if explain:
            for claim in own:
                print(f"{claim.id}: {claim.statement}")
            print()
    if any("∪" in claim.estimate.method for claim in decided):
        print("∪: the interval is the union of those of the named methods")
    for text in note_lines([(claim.id, claim.estimate.notes) for claim in decided], "claims"):
        print(text)


def _table(decided: "Sequence[ClaimResult]", confidence: float) -> Table:
    table = new_table("claim", "estimate", f"{100 * confidence:.7g}% interval", "method", "bound", "verdict")
    for claim in decided:
        e = claim.estimate
        p = "" if claim.max_p is None else f", p = {'undefined' if e.p is None else f'{e.p:.1e}'}"
        bound = f"{claim.side} {claim.bound:.4g}" + ("" if claim.max_p is None else f", p < {claim.max_p:g}")
        numbers = (f"{e.value:.4g}", f"[{e.low:.4g}, {e.high:.4g}]") if e.value == e.value else ("undefined", "")
        table.add_row(claim.id, *numbers, e.method + p, bound, Text(claim.decision, _COLORS[claim.decision]))
    return table

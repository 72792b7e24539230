"""The figure of assumptions: a panel per parameter, with the errors and the states of the claims."""

from pathlib import Path

import made_up
import numpy as np
from drawn import assert_estimates, assert_inside, estimates, line, of, panels_of, shown_ticks, tables_of

from theory_sim.config import Config
from theory_sim.figures import Inputs, assumptions
from theory_sim.figures.common import style, symbols, values
from theory_sim.figures.common.claims import MODELS, model_and_quantity
from theory_sim.testing.figures import as_drawn


def test_every_parameter_has_a_panel_with_its_values(made) -> None:
    tables, table = tables_of("assumptions", made.folder), made.tables["assumptions"]
    grids = {factor.key: factor.values for factor in tables.answer.sensitivities}
    assert list(panels_of(assumptions.FIGURE, table)) == list(dict.fromkeys(table.key))
    assert set(table.key) == set(grids)
    for key, of_key in grids.items():
        own = of(table, key=key, model="coarse")
        taken = own.word.where(own.word.notna(), own.place.map("{:g}".format))
        run = {values.text(value) for value in of_key}
        assert run <= set(taken)
        assert len(taken) - len(run) in (0, 1), "and the base, where it was run"


def test_states_are_the_studys(made) -> None:
    """The study decides by itself where each claim fails; the figure takes it from the table of cells."""
    tables, table = tables_of("assumptions", made.folder), made.tables["assumptions"]
    for factor in tables.answer.sensitivities:
        for number, value in enumerate(factor.values):
            for model in MODELS:
                own = of(table, key=factor.key, model=model)
                name = own.word.where(own.word.notna(), own.place.map("{:g}".format))
                (row,) = own[name == values.text(value)].itertuples()
                states = {c: at[number] for c, at in factor.states.items() if model_and_quantity(c)[0] == model}
                for shown in ("refuted", "undecided"):
                    names = set(str(getattr(row, shown)).replace("none", "").split())
                    assert names == {claim for claim, state in states.items() if state == shown}
                order = ("holds", "undecided", "no result", "refuted")
                assert row.state == max(states.values(), key=order.index)


def test_errors_and_marks_of_a_parameter_are_drawn(made) -> None:
    table = made.tables["assumptions"]
    panels = panels_of(assumptions.FIGURE, table)
    assert {panels[key].get_xscale() for key in ("data.dim", "training.batch")} == {"log"}
    assert {panels[key].get_xscale() for key in ("hard.noise", "data.noise")} == {"symlog"}
    for key, rows in table.groupby("key"):
        ax, placed = panels[key], assumptions.placed(rows)
        assert ax.get_title("left") == symbols.name(key)
        assert set(line(ax, "base").get_xdata()) == set(placed.base_at)
        for model in MODELS:
            own = placed[placed.model == model]
            assert_estimates(estimates(ax)[model], own, own.x, style.PALETTE[model])
            assert_inside(ax, [*own.x, *own.base_at], [*own.low, *own.high, assumptions.STRIP[model]])
            marks = {m.get_label(): list(m.get_xdata()) for m in ax.get_lines() if m.get_label().startswith(f"{model} ")}
            assert marks == {f"{model} {state}": list(r.x) for state, r in own.groupby("state")}
    words = panels["hard.common"]
    assert shown_ticks(words.get_xticklabels()) == ["missing", "weak"]


def test_a_cell_without_results_has_no_mark(tmp_path: Path) -> None:
    made_up.write("assumptions", tmp_path, failed=1)
    table = as_drawn(assumptions.compute(Config(), Inputs(studies=[tables_of("assumptions", tmp_path)])))
    (gone,) = of(table, state="no result", model="fine").itertuples()
    assert (gone.key, gone.method) == ("training.steps", "it met a NaN")
    assert np.isnan(gone.value)
    ax = panels_of(assumptions.FIGURE, table)[gone.key]
    assert gone.place not in [x for mark in ax.get_lines() if mark.get_label().startswith("fine ") for x in mark.get_xdata()]

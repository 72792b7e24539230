"""Every figure keeps the contract, at toy size and with the published numbers."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from toy_runs import DRAWN

import theory_sim.figures
from theory_sim.config import Config
from theory_sim.figures import FIGURES, Figure
from theory_sim.figures.gallery.source import SMOKE
from theory_sim.testing import figures as conformance

PUBLISHED = Path(__file__).parents[2] / "paper_figs"


@pytest.fixture(params=DRAWN)
def figure(request: pytest.FixtureRequest) -> Figure:
    return FIGURES[request.param]


@pytest.mark.parametrize("name", FIGURES)
def test_texts_and_needs(name: str) -> None:
    conformance.check_texts(FIGURES[name])
    for config in (Config(), SMOKE):
        conformance.check_needs(FIGURES[name], config)


def test_table(figure: Figure, made) -> None:
    conformance.check_table(figure, made.computed[figure.name])


def test_picture(figure: Figure, made) -> None:
    conformance.check_picture(figure, made.tables[figure.name])
    assert plt.get_fignums() == [], "outside pyplot"


# One with each kind of artist: heat maps and patches, maps with path effects, bands and error bars.
@pytest.mark.parametrize("name", ["data_model", "phase", "theorem_coarse"])
def test_files(name: str, made, tmp_path: Path) -> None:
    conformance.check_files(FIGURES[name], made.computed[name], tmp_path)


def test_published_numbers_can_be_read_where_they_are_drawn(figure: Figure, made) -> None:
    path = PUBLISHED / f"{figure.name}.csv"
    if not path.exists():
        waiting = (PUBLISHED / "README.md").read_text(encoding="utf-8").partition("## Not drawn yet")[2]
        assert f"- **{figure.name}**: " in waiting
        return
    table = pd.read_csv(path)
    assert list(table.columns) == list(made.tables[figure.name].columns), f"another version: theory-sim figures {figure.name}"
    conformance.check_picture(figure, table)


def test_every_module_of_the_folder_registers_figures() -> None:
    drawn_by = [FIGURES.entry(name).value.draw for name in FIGURES]
    modules = {getattr(draw, "func", draw).__module__.split(".")[2] for draw in drawn_by} - {"common"}
    files = {path.stem for path in Path(theory_sim.figures.__file__).parent.glob("*.py")} - {"__init__", "plot"}
    assert modules | {"studies"} == files

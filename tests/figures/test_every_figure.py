"""What all figures share."""

from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from conftest import DRAWN
from drawn import assert_readable
from matplotlib.figure import Figure
from matplotlib.text import Text

from theory_sim.config import Config
from theory_sim.figures import Needs, style
from theory_sim.figures.gallery import GALLERY, SMOKE

PUBLISHED = Path(__file__).parents[2] / "paper_figs"


@pytest.fixture(scope="module", params=DRAWN)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return GALLERY[request.param]


@pytest.fixture(scope="module")
def figure(module: ModuleType, made) -> Figure:
    table = made.tables[module.NAME].copy()
    figure = style.paint(module, table)
    pd.testing.assert_frame_equal(table, made.tables[module.NAME])  # drawing leaves the table alone
    return figure


def names_of(mosaic: list) -> set[str]:
    return {panel for row in mosaic for panel in row} - {"."}


def test_module_keeps_the_contract(module: ModuleType, made) -> None:
    width, height = style.of_table(module.SIZE, made.tables[module.NAME])
    assert module.__name__ == f"theory_sim.figures.{module.NAME}"
    assert len(module.CAPTION) > 100
    assert module.CAPTION.endswith(".")
    assert "{" not in module.CAPTION
    assert module.__doc__.splitlines()[0].endswith("."), "what --list shows"
    assert width in (style.PAGE, style.COLUMN)
    assert height < 9, "fits a page"
    assert style.of_table(module.LAYOUT, made.tables[module.NAME])["mosaic"]


@pytest.mark.parametrize("config", [Config(), SMOKE], ids=["default", "smoke"])
def test_needs_are_told_from_the_configuration(module: ModuleType, config: Config) -> None:
    needs = module.needs(config)
    assert isinstance(needs, Needs)
    assert all(isinstance(run, Config) for run in needs.runs)
    assert all(0 <= number < len(needs.runs) and isinstance(other, Config) for number, other in needs.evaluations)
    assert needs == module.needs(config)


def test_every_module_of_the_folder_is_in_the_gallery() -> None:
    shared = {
        "__init__",
        "gallery",
        "inputs",
        "compare",
        "symbols",
        "groups",
        "rates",
        "style",
        "theorem",
        "study",
        "labelled",
        "against",
    }
    assert {path.stem for path in Path(style.__file__).parent.glob("*.py")} - shared == set(GALLERY)


def test_csv_holds_what_was_computed(module: ModuleType, made) -> None:
    computed, table = made.computed[module.NAME], made.tables[module.NAME]
    assert not table.empty
    floats = {column: dtype for column, dtype in computed.dtypes.items() if dtype.kind == "f"}
    pd.testing.assert_frame_equal(table.astype(floats), computed, rtol=1e-15, atol=0, check_dtype=False)


def test_means_lie_in_their_intervals(module: ModuleType, made) -> None:
    table = made.tables[module.NAME]
    if {"value", "low", "high"} <= set(table):
        known = table.dropna(subset=["value", "low", "high"])
        slack = 1e-9 * (1 + known.value.abs())
        assert len(known)
        assert (known.low <= known.value + slack).all()
        assert (known.value <= known.high + slack).all()


def test_every_panel_shows_something(module: ModuleType, figure: Figure, made) -> None:
    panels, table = {ax.get_label(): ax for ax in figure.axes}, made.tables[module.NAME]
    assert panels.keys() == names_of(style.of_table(module.LAYOUT, table)["mosaic"])
    assert all(ax.has_data() for ax in panels.values())
    assert tuple(figure.get_size_inches()) == style.of_table(module.SIZE, table)


def test_nothing_is_cut_off_or_written_over(figure: Figure) -> None:
    assert_readable(figure)


def test_no_text_is_tiny(figure: Figure) -> None:
    """On the page, where nothing is scaled."""
    assert all(text.get_fontsize() >= 6 for text in figure.findobj(Text) if text.get_text() and text.get_visible())


def test_figures_are_outside_pyplot(figure: Figure) -> None:
    assert plt.get_fignums() == []


def test_published_numbers_can_be_read_where_they_are_drawn(module: ModuleType, made) -> None:
    path = PUBLISHED / f"{module.NAME}.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not drawn yet: theory-sim figures {module.NAME}")
    table = pd.read_csv(path)
    assert list(table.columns) == list(made.tables[module.NAME].columns), f"of another version: theory-sim figures {module.NAME}"
    assert_readable(style.paint(module, table))

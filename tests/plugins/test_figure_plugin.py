"""A figure in one file of a user's: drawn, listed and checked like the package's own."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from outcome import Call, Outcome

from theory_sim import cli
from theory_sim.figures import FIGURES, register
from theory_sim.figures.gallery import drawing
from theory_sim.runtime import plugins
from theory_sim.testing.figures import check_figure

NAME = "initial_norms"


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """The file, as a user has it."""
    yield Path(shutil.copy(Path(__file__).with_name("figure.py"), tmp_path / "my_figure.py"))
    FIGURES.remove(NAME)


@pytest.fixture
def call(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run ``theory-sim figures`` in the plugin's folder, on a run of a second."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        options = ["--config", config_file, "--results", "results", "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", ["theory-sim", "figures", *map(str, [*arguments, *options])])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        written = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, written.out, written.err)

    return run


def test_it_is_drawn_by_the_command_and_its_csv_is_what_is_drawn(plugin: Path, call: Call) -> None:
    outcome = call(NAME, "--plugin", plugin.name, "--out", "mine")
    assert (outcome.code, outcome.out) == (0, f"mine/{NAME}: pdf, png, csv\n")
    files = {path.name for path in Path("mine").iterdir() if not path.name.startswith(".")}
    assert files == {f"{NAME}.{s}" for s in ("csv", "pdf", "png")} | {"README.md"}
    page = Path("mine/README.md").read_text()
    assert f"## {NAME}\n" in page
    assert f"--plugin my_figure.py {NAME}`" in page
    table = pd.read_csv(f"mine/{NAME}.csv")
    (ax,) = FIGURES[NAME].paint(table).axes
    drawn = {str(line.get_label()): line.get_xydata() for line in ax.get_lines()}
    assert drawn.keys() == {"coarse labels", "fine labels"}
    for model, own in table.groupby("model"):
        np.testing.assert_array_equal(drawn[f"{model} labels"], own[["quantile", "value"]])
    assert call(NAME, "--plugin", plugin.name, "--out", "mine", "--check").out == f"{NAME}: the same\n"


def test_it_is_listed_after_the_packages_own(plugin: Path, call: Call) -> None:
    assert NAME not in call("--list").out
    outcome = call("--list", "--plugin", plugin.name)
    assert outcome.code == 0
    assert outcome.out.index("theory_scale") < outcome.out.index(NAME)
    assert "Norms of the neurons at initialisation." in outcome.out


def test_processes_that_draw_load_it_too(plugin: Path, call: Call) -> None:
    """From four figures on, others draw; a file that is named as one of Python's modules is not imported in its place."""
    Path("signal.py").write_text("raise ImportError\n")
    names = ["data_model", "responses", "imagenet21k_levels", NAME]
    outcome = call(*names, "--plugin", plugin.name, "--out", "mine")
    assert (outcome.code, outcome.out.splitlines()) == (0, [f"mine/{name}: pdf, png, csv" for name in names])
    assert Path(f"mine/{NAME}.png").read_bytes().startswith(b"\x89PNG")


def test_a_sessions_own_figure_is_drawn_where_it_is_known(plugin: Path, tmp_path: Path) -> None:
    plugins.load([str(plugin)])
    figure = replace(FIGURES[NAME], name="of_the_session", compute=lambda config, inputs: pd.DataFrame())
    table = pd.DataFrame({"model": ["fine"] * 2, "quantile": [0, 1], "value": [0.9, 1.1]})
    register(figure)
    try:
        drawing.draw([(figure, table)] * 4, tmp_path / "mine")
    finally:
        FIGURES.remove("of_the_session")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "mine" / "of_the_session.csv"), table)
    assert (tmp_path / "mine" / "of_the_session.pdf").exists()


def test_it_keeps_the_contract(plugin: Path, tmp_path: Path) -> None:
    plugins.load([str(plugin)])
    check_figure(FIGURES[NAME], tmp_path)


def test_entries_of_a_plugin_stay_on_the_page_without_it(plugin: Path, call: Call) -> None:
    call(NAME, "--plugin", plugin.name, "--out", "mine")
    FIGURES.remove(NAME)
    assert call("imagenet21k_levels", "--out", "mine").code == 0
    page = Path("mine/README.md").read_text()
    assert page.index("## imagenet21k_levels\n") < page.index(f"## {NAME}\n")


def test_without_its_plugin_or_with_a_taken_name_it_is_refused(plugin: Path, call: Call) -> None:
    assert call(NAME).complaint.startswith(f"error: unknown figure '{NAME}'; there are ")
    assert call(NAME, "--plugin", "absent.py").complaint == "error: plugin absent.py: no such file\n"
    plugin.write_text(plugin.read_text().replace(NAME, "phase"))
    assert "figure 'phase' is registered twice: by theory_sim.figures.phase and by" in call("--plugin", plugin.name).complaint
    plugin.write_text(plugin.read_text().replace('"phase"', '"../phase"'))
    assert "figure '../phase': a name is a lower-case letter" in call("--plugin", plugin.name).complaint

"""The command that draws: what it runs, writes, compares, and refuses."""

import datetime
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from drawn import Outcome, command
from toy_runs import DRAWN

import theory_sim as ts
from theory_sim.config import Config
from theory_sim.figures import FIGURES, phase, rare_growth
from theory_sim.figures.gallery import needed
from theory_sim.figures.gallery.costs import cost_of_run, cost_of_test
from theory_sim.figures.gallery.page import describe
from theory_sim.figures.gallery.source import SMOKE, Source
from theory_sim.studies.study import study_files

COSTS = {name: FIGURES[name].cost for name in FIGURES if FIGURES[name].cost is not None}

pytestmark = pytest.mark.usefixtures("elsewhere")
Command = Callable[..., Outcome]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def nothing_is_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("theory_sim.runs.run._run", lambda *_: pytest.fail("trained again"))
    patch.setattr("theory_sim.runs.evaluate.evaluate", lambda *_: pytest.fail("tested again"))


@pytest.fixture(scope="module")
def all_drawn(made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """All figures, from finished runs."""
    out = tmp_path_factory.mktemp("drawn") / "pictures"
    with pytest.MonkeyPatch.context() as patch, made.at_hand():
        nothing_is_run(patch)
        outcome = command("--config", made.file, "--results", made.folder, "--out", out, "--device", "cpu")
    return out, outcome


@pytest.fixture
def pictures(all_drawn: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A copy of what was drawn."""
    return Path(shutil.copytree(all_drawn[0], tmp_path / "pictures"))


@pytest.fixture
def call(tiny, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command on finished runs and drawn pictures."""
    nothing_is_run(monkeypatch)
    return lambda *names: command(*names, "--config", tiny.file, "--results", tiny.folder, "--out", pictures, "--device", "cpu")


# --- drawing ------------------------------------------------------------------------------------------------------


def test_finished_runs_are_loaded_and_every_figure_is_written(all_drawn) -> None:
    folder, outcome = all_drawn
    assert (outcome.code, outcome.err) == (0, "")
    files = contents(folder)
    assert files.keys() == {f"{n}.{s}" for n in DRAWN for s in ("csv", "pdf", "png")} | {"README.md"}
    assert outcome.out.splitlines() == [
        *(f"{folder / name}: pdf, png, csv" for name in DRAWN),
        *(f"{name}: waits, its runs take {long}; theory-sim figures {name} makes them" for name, long in COSTS.items()),
    ]
    assert all(files[f"{name}.png"].startswith(b"\x89PNG") and len(files[f"{name}.png"]) < 300_000 for name in DRAWN)
    assert plt.get_fignums() == []


def test_pdf_fonts_are_embedded_and_no_date_is_written(all_drawn) -> None:
    for path in all_drawn[0].glob("*.pdf"):
        pdf = path.read_bytes()
        assert b"CreationDate" not in pdf
        assert b"/Type3" not in pdf
        assert b"/CIDFontType2" in pdf
        assert b"/FontFile2" in pdf


@pytest.mark.parametrize("name", DRAWN)
def test_csv_files_are_the_tables(name: str, made, all_drawn) -> None:
    pd.testing.assert_frame_equal(pd.read_csv(all_drawn[0] / f"{name}.csv"), made.tables[name])


def test_page_shows_each_picture_with_what_it_was_made_of(made, all_drawn) -> None:
    page = (all_drawn[0] / "README.md").read_text()
    entries = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(entries) == [*DRAWN, "Not drawn yet"]
    for name in DRAWN:
        entry = entries[name]
        assert f"![{name}]({name}.png)" in entry
        assert f"[{name}.pdf]({name}.pdf), [{name}.csv]({name}.csv)" in entry
        assert FIGURES[name].caption in entry
        needs = FIGURES[name].needs(made.config)
        for study in needs.studies:
            assert f"- study: `theory-sim study {study} --out {made.folder}`" in entry
        if needs.image_studies:
            (study,) = needs.image_studies
            assert f"- study: `theory-sim pretrain configs/{study}.yaml --out {made.folder}`" in entry
        elif not needs.configuration:
            assert "- configuration: " not in entry
        else:
            (configuration,) = re.findall(r"^- configuration: (.+)", entry, re.MULTILINE)
            own = () if needs.studies else ("`data.dim`",)
            assert all(key in configuration for key in ("the default configuration with", "`replicas`", "`seed` 0", *own))
        assert f"`theory-sim figures --config {made.file} --out {all_drawn[0]} --results {made.folder} {name}`" in entry
        assert f"drawn: {datetime.date.today().isoformat()}" in entry
        assert ("- tested with: " in entry) == bool(needs.evaluations)
    for name in COSTS:
        assert (
            f"- **{name}**: `theory-sim figures --config {made.file} --out {all_drawn[0]} --results {made.folder} {name}`"
            in entries["Not drawn yet"]
        )


def test_drawing_one_figure_keeps_the_entries_of_the_others(call: Command, pictures: Path, all_drawn) -> None:
    before = contents(pictures)
    page = pictures / "README.md"
    old = (
        page.read_text()
        .replace(datetime.date.today().isoformat(), "2001-02-03")
        .replace("## responses\n", "## responses\n\nBy hand.\n")
    )
    page.write_text(old)
    outcome = call("theorem_fine")
    assert outcome == Outcome(0, f"{pictures / 'theorem_fine'}: pdf, png, csv\n", "")
    start, end = old.index("## theorem_fine\n"), old.index("## responses\n")
    entry = old[start:end].replace("2001-02-03", datetime.date.today().isoformat())
    kept, heading, waiting = old[end:].partition("## Not drawn yet\n")
    # Commands name the folder; those of the entries that are kept stay as they were.
    entry, waiting = (text.replace(str(all_drawn[0]), str(pictures)) for text in (entry, waiting))
    assert page.read_text() == old[:start] + entry + kept + heading + waiting
    assert contents(pictures) | {"README.md": b""} == before | {"README.md": b""}


def test_named_figures_are_drawn_once_each_in_the_order_named() -> None:
    assert [figure.name for figure in needed.chosen(["phase", "data_model", "phase"])] == ["phase", "data_model"]
    assert [figure.name for figure in needed.chosen()] == list(FIGURES)


def test_smoke_makes_what_is_missing_and_shows_how_far_all_of_it_is() -> None:
    outcome = command("readouts", "--smoke", "--device", "cpu")
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    matches = [re.fullmatch(r"figures (\d+)/1000 (.+), (training|testing) \d+ s left", line) for line in lines]
    assert all(matches), lines
    done, runs, stages = zip(*(match.groups() for match in matches if match), strict=True)
    assert list(map(int, done)) == sorted(map(int, done))
    assert done[-1] == "1000"
    assert (runs[0], stages[0]) == ("smoke", "training")
    assert (runs[-1], stages[-1]) == ("smoke-readouts", "testing")
    folder = Path("figures_smoke")
    assert contents(folder).keys() == {f"readouts.{s}" for s in ("csv", "pdf", "png")} | {"README.md"}
    assert "`theory-sim figures --smoke readouts`" in (folder / "README.md").read_text()
    assert [path.name for path in Path("results").iterdir()] == ["smoke"]
    again = command("readouts", "--smoke", "--device", "cpu", "--check")
    assert again == Outcome(0, "readouts: the same\n", ""), "nothing was run, nothing differs"


def test_smoke_runs_every_study_at_its_small_size_and_draws_it(small_studies: Path) -> None:
    """From the studies as they ship: elsewhere their tables are made up."""
    names = [name for name in FIGURES if FIGURES[name].needs(SMOKE).studies]
    outcome = command(*names, "--smoke", "--results", small_studies, "--device", "cpu")
    assert (outcome.code, outcome.out.splitlines()) == (0, [f"figures_smoke/{name}: pdf, png, csv" for name in names])
    drawn = {study for name in names for study in FIGURES[name].needs(SMOKE).studies}
    assert drawn | {"boundary"} == {path.stem for path in study_files()}, "the figure phase predicts from a run of its own"
    assert all((Path("figures_smoke") / f"{name}.png").exists() for name in names)


# --- what is run --------------------------------------------------------------------------------------------------


def test_figures_share_runs_and_evaluations(tiny, tmp_path: Path) -> None:
    alone = ["correlations", "theorem_coarse", "theorem_fine", "responses", "lucky_sets"]
    shared = needed.work(needed.chosen(alone), Source(tiny.config, tmp_path, "cpu"))
    assert list(shared.runs.values()) == [tiny.config]
    assert shared.evaluations == {}
    whole = needed.work(needed.chosen(DRAWN), Source(tiny.config, tmp_path, "cpu"))
    assert len(whole.runs) == 1 + 2 + 2 + 4 + 5, "itself, and for growth, dimensions, phases and batches"
    assert len(whole.evaluations) == 6 + 1
    assert whole.left() == whole
    assert needed.work(needed.chosen(DRAWN), tiny.source).left() == needed.Work({}, {}, {})


def test_costs_grow_with_the_work() -> None:
    costs = [cost_of_run(Config().replace({"training.steps": steps, "network.neurons": 60})) for steps in (10, 100)]
    assert 1.5 < costs[1] / costs[0] < 10
    assert cost_of_test(Config()) < cost_of_run(Config())


# --- checking -----------------------------------------------------------------------------------------------------


def test_check_finds_the_same_numbers_and_draws_nothing(call: Command, pictures: Path) -> None:
    before = contents(pictures)
    assert call("--check", "theorem_coarse", "data_model") == Outcome(0, "theorem_coarse: the same\ndata_model: the same\n", "")
    assert contents(pictures) == before


def test_check_of_all_figures(call: Command) -> None:
    outcome = call("--check")
    waits = "".join(
        f"{name}: waits, its runs take {long}; theory-sim figures {name} makes them\n" for name, long in COSTS.items()
    )
    assert outcome == Outcome(0, "".join(f"{name}: the same\n" for name in DRAWN) + waits, "")


def test_check_tells_each_difference_in_a_line(call: Command, pictures: Path) -> None:
    path = pictures / "theorem_coarse.csv"
    table = pd.read_csv(path)
    table.loc[4, "value"] += 1
    table.to_csv(path, index=False)
    (pictures / "data_model.csv").unlink()
    before = contents(pictures)
    outcome = call("--check", "theorem_coarse", "data_model", "theorem_fine")
    assert outcome.code == 1
    first, second, third = outcome.out.splitlines()
    assert re.fullmatch(
        rf"theorem_coarse: {path}: 1 of {len(table)} values of value differ, the first in row 5, [\d.]+, now [\d.]+", first
    )
    assert second == f"data_model: {pictures / 'data_model.csv'} is not there"
    assert third == "theorem_fine: the same"
    assert contents(pictures) == before


# --- refusing -----------------------------------------------------------------------------------------------------


def test_unknown_figures_are_refused() -> None:
    names = ", ".join(sorted(FIGURES))
    assert command("theorems").complaint == f"unknown figure 'theorems'; there are {names}; did you mean theorem_coarse?"
    assert list(Path().iterdir()) == []


def test_wrong_options_are_refused(made) -> None:
    Path("file").touch()
    assert command("data_model", "--out", "file").complaint == "file is a file, not a folder for pictures"
    assert command("theorem_fine", "--results", "file").complaint == "file is a file, not a folder for results"
    assert command("--smoke", "--config", made.file).complaint == "--smoke has a configuration of its own: leave --config out"
    assert command("--config", "absent.yaml").complaint.startswith("cannot read the configuration absent.yaml")
    assert command("theorem_fine", "--device", "nowhere").complaint.startswith("unknown device 'nowhere'")
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_damaged_results_are_told_in_one_line(made, tmp_path: Path) -> None:
    folder = ts.results_folder(made.config, made.folder, "cpu")
    mine = Path(shutil.copytree(folder, tmp_path / "results" / "tiny" / folder.name))
    options = ("--config", made.file, "--results", tmp_path / "results", "--device", "cpu")
    for path in (mine / "evaluations").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert re.fullmatch(r".*\.nc is damaged; delete it to test again", command("readouts", *options).complaint)
    (mine / "coarse.nc").write_bytes(b"")
    assert command("theorem_fine", *options).complaint.endswith(
        "coarse.nc is not as it was written; delete the folder to run again"
    )
    text = (mine / "config.yaml").read_text()
    (mine / "config.yaml").write_text(text.replace("batch: 16", "batch: 17"))
    assert "holds the results of another configuration than its hash says" in command("theorem_fine", *options).complaint
    assert list(Path().iterdir()) == []


def test_missing_packages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("theory_sim.figures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert command().complaint == "figures need the package pandas: pip install 'theory-sim[figures]'"


# --- telling ------------------------------------------------------------------------------------------------------


def test_list_tells_what_is_there_and_what_is_missing(tiny, tmp_path: Path) -> None:
    def cells(results: Path) -> dict[str, list[str]]:
        outcome = command("--list", "--config", tiny.file, "--results", results, "--device", "cpu")
        assert (outcome.code, outcome.err) == (0, "")
        found: dict[str, list[str]] = {}
        for line in outcome.out.splitlines():
            if line.startswith("│"):
                name, *rest = (cell.strip() for cell in line.strip("│").split("│"))
                # A long text goes on in the next line.
                found |= {name: rest} if name else {}
        return found

    before, after = cells(tmp_path / "nothing"), cells(tiny.folder)
    assert list(before) == list(after) == list(FIGURES)
    assert before["data_model"][1:] == ["0", "0", "nothing"]
    assert before["phase"][1:] == ["5", "6", "11"]
    assert before["readouts"][1:] == ["1", "1", "2"]
    assert before["granularity"][-1].startswith("there are no tables in")
    assert {after[name][-1] for name in DRAWN} == {"nothing"}
    assert {name: after[name][-1] for name in COSTS} == {"theory_scale": "34", "spurious_growth": "4"}
    assert list(Path().iterdir()) == []
    assert not (tmp_path / "nothing").exists()


def test_list_of_some_figures_tells_their_first_lines(tiny) -> None:
    out = command("--list", "data_model", "--config", tiny.file, "--results", tiny.folder).out
    assert "The data model: an easy sample" in out
    assert "theorem_coarse" not in out


def test_configurations_are_described_by_what_differs() -> None:
    base = Config()
    assert describe([base]) == "the default configuration with `replicas` 5; `seed` 0"
    assert describe([base.replace({"name": "x", "data.noise": 0.25, "seed": 3})]) == (
        "the default configuration with `seed` 3; `data.noise` 0.25; `replicas` 5"
    )
    several = [base, base.replace({"data.dim": 64, "replicas": 3}), base.replace({"data.dim": 128, "replicas": 3})]
    assert describe(several) == "3 runs: the default configuration with `replicas` 5, 3; `data.dim` 256, 64, 128; `seed` 0"


def test_descriptions_tell_what_varies_over_a_figure() -> None:
    text = describe(rare_growth.needs(Config()).runs)
    assert text.startswith("5 runs: the default configuration with `tree.subclasses` 2, 4, 8, 16, 32; ")
    assert text.endswith("`replicas` 3; `test.samples` 100; `seed` 0")
    text = describe([other for _, other in phase.needs(Config()).evaluations])
    assert "`hard.noise` " in text
    assert not re.search(r"\d\.\d{6}", text), "no digits that are but rounding"

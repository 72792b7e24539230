"""What pages say, without a browser: distances, intervals, curves, packed maps, commands, texts from configurations."""

import base64
import json
import shlex
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from report_pages import STUDY

from theory_sim.config import load_config
from theory_sim.reports.borders import distance, with_borders
from theory_sim.reports.charts import MOST_POINTS, Chart, Series, run_charts, table
from theory_sim.reports.citing import PAPERS, citations
from theory_sim.reports.find import StoredStudy, find_reported, newest_run
from theory_sim.reports.image_facts import image_charts, image_facts
from theory_sim.reports.intervals import picture
from theory_sim.reports.neuron_map import LEVELS, NeuronMap, neuron_maps
from theory_sim.reports.run_facts import loaded, run_facts, set_options
from theory_sim.reports.study_facts import study_facts
from theory_sim.reports.write import filled, report_of
from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import write_json
from theory_sim.runtime.plain_yaml import parse_value
from theory_sim.studies import tables
from theory_sim.studies.shelf import StoredRun
from theory_sim.theories.regime import Assumption

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "border", "words"),
    [
        (0.5, 0.25, "2 times above"),
        (2.0, 6.0, "3 times below"),
        (0.0, 0.5, "0.5 below"),
        (0.6, 1e-12, "0.6 above"),
        (3.0, 3.0, "on the border"),
        (-1.0, 1.0, "2 below"),
    ],
)
def test_distances_from_a_border(value: float, border: float, words: str) -> None:
    assert distance(value, border) == words


def test_a_range_has_the_distance_from_each_of_its_ends() -> None:
    line = with_borders(Assumption("K", 2.0, 2.0, 8.0, "2 to 8", "ours"))
    assert line["distance"] == "on the lower border 2; 4 times below the upper border 8"
    assert line["inside"] is True


def test_an_interval_is_drawn_to_scale_against_its_bound() -> None:
    shown = picture({"estimate": 0.25, "low": 0.0, "high": 0.5}, "≤", 1.0)
    assert shown is not None
    assert (shown.low, shown.value, shown.high, shown.bound) == (10, 80, 150, 290)
    assert shown.right == (0, 290)
    assert shown.ticks == [(10, "0"), (290, "1")]
    assert shown.words == "Estimate 0.25, interval from 0 to 0.5; the bound is ≤ 1."
    wider = picture({"estimate": 0.25, "low": 0.0, "high": 0.5}, ">", 0.0, [2.0])
    assert wider is not None
    assert (wider.high, wider.right, wider.ticks[1]) == (80, (10, 300), (290, "2"))
    assert picture({"estimate": None, "low": None, "high": None}, "≤", 1.0) is None


def test_curves_are_means_over_replicas_with_their_extremes(tiny_run: StoredRun) -> None:
    results = loaded(tiny_run)
    charts = {chart.id: chart for chart in run_charts(results)}
    assert list(charts) == ["loss", "errors", "firing", "response"]
    hard = next(series for series in charts["errors"].series if series.name == "coarse, hard")
    errors = results.coarse.curve_error.sel(kind="hard").isel(readout=0).values
    assert hard.x == results.coarse.step.values.tolist()
    for drawn, wanted in ((hard.y, errors.mean(0)), (hard.low, errors.min(0)), (hard.high, errors.max(0))):
        assert drawn == pytest.approx(wanted, abs=1e-4)
    # A head of the fine network: the leaf's own feature, counted by hand.
    rare = next(series for series in charts["firing"].series if series.name == "fine, own rare")
    fires = results.fine.correlation.values + results.fine.bias.values[..., None] > 0
    names = list(results.fine.feature_name.values)
    leaves = [names.index(name) for name in ("1,1", "1,2", "1,3", "2,1", "2,2", "2,3")]
    by_hand = np.stack([fires[:, :, head, :, feature].sum(2) for head, feature in enumerate(leaves)], -1).mean(-1)
    assert rare.y == pytest.approx(by_hand.mean(0), abs=1e-3)
    rows = table(charts["errors"])
    assert rows["columns"] == ["training step", "coarse, easy", "coarse, hard", "fine, easy", "fine, hard"]
    assert [float(row[2]) for row in rows["rows"]] == pytest.approx(errors.mean(0), abs=1e-3)


def test_long_curves_keep_their_ends(tiny_run: StoredRun) -> None:
    results = loaded(tiny_run)
    long = np.linspace(1, 2, 5000)[None].repeat(2, 0)
    records = {
        name: data.drop_dims("update").assign(training_loss=(("replica", "update"), long)).assign_coords(update=np.arange(5000))
        for name, data in results.records.items()
    }
    (loss, *_) = run_charts(Results(results.config, results.folder, records, {}))
    series = loss.series[0]
    assert (series.x[0], series.x[-1], series.y[0], series.y[-1]) == (0, 4999, 1, 2)
    assert len(series.x) <= MOST_POINTS
    assert len(table(loss)["rows"]) <= 12


def unpacked(packed: NeuronMap) -> np.ndarray:
    """As the page does it: (replica, head, neuron, feature, step)."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed.values)), "<i2")
    shape = (len(packed.replicas), len(packed.heads), -1, len(packed.features), len(packed.steps))
    values: np.ndarray = raw.astype(int).reshape(shape).cumsum(-1) * packed.unit
    return values


def test_maps_hold_every_correlation_of_a_small_run(tiny_run: StoredRun) -> None:
    results = loaded(tiny_run)
    for packed in neuron_maps(results):
        record = results.records[packed.network].correlation.values
        values, neurons = unpacked(packed), np.array(packed.neurons).reshape(*record.shape[0:1], *record.shape[2:4])
        assert packed.shown == ""
        assert np.sort(neurons, -1).tolist() == np.broadcast_to(np.arange(8), neurons.shape).tolist()
        wanted = np.moveaxis(np.take_along_axis(record, neurons[:, None, :, :, None], 3), 1, -1)
        assert np.abs(values - wanted).max() <= np.abs(record).max() / LEVELS / 2 + 1e-7


def test_maps_of_wide_heads_hold_the_largest_and_some_others(tiny_run: StoredRun) -> None:
    results = loaded(tiny_run)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3, 2, 500, 5)).astype("float32")
    lucky = rng.random((2, 2, 500, 5)) < 0.1
    data = xr.Dataset(
        {
            "correlation": (("replica", "step", "head", "neuron", "feature"), values),
            "lucky": (("replica", "head", "neuron", "feature"), lucky),
        },
        coords={
            "step": [0, 1, 9],
            "head_parent": ("head", [0, 1]),
            "feature_name": ("feature", list("abcde")),
        },
        attrs={"labels": "leaf"},
    )
    (packed,) = neuron_maps(Results(results.config, results.folder, {"one": data}, {}))
    assert packed.shown == (
        "The page shows 80 of 500 neurons of each head, the 60 with the largest final correlations and 20 at random."
    )
    neurons = np.array(packed.neurons).reshape(2, 2, 80)
    largest = np.argsort(-np.abs(values[:, -1]).max(-1), axis=-1)[..., :60]
    for replica, head in np.ndindex(2, 2):
        shown = set(neurons[replica, head].tolist())
        assert len(shown) == 80
        assert set(largest[replica, head].tolist()) <= shown
    marked = np.zeros(2 * 2 * 80 * 5, bool)
    marked[packed.lucky] = True
    assert (marked.reshape(2, 2, 80, 5) == np.take_along_axis(lucky, neurons[..., None], 2)).all()
    (less,) = neuron_maps(Results(results.config, results.folder, {"one": data}, {}), room=600)
    assert less.size <= 600
    assert less.shown.startswith("The page shows the first 1 of 2 replicas; ")


def test_the_command_makes_the_configuration_again(tiny_run: StoredRun, wide_run: StoredRun) -> None:
    for run in (tiny_run, wide_run):
        _, summary = report_of([run])
        words = shlex.split(summary["reproduce"]["command"])
        assert words[:2] == ["theory-sim", "verify"]
        again = load_config(None, words[3::2])
        assert again == loaded(run).config
        assert yaml.safe_load(summary["reproduce"]["file"]) == again.model_dump(mode="json")


def test_the_summary_has_the_facts_of_the_page(tiny_run: StoredRun) -> None:
    summary = json.loads((tiny_run.folder / "summary.json").read_text())
    page = (tiny_run.folder / "report.html").read_text()
    assert len(summary["claims"]) == 9
    for claim in summary["claims"]:
        assert f"<code>{claim['id']}</code>" in page
    held = sum(claim["holds"] for claim in summary["claims"])
    assert summary["claims_held"] == held
    assert f"{held} of 9 claims hold" in page
    assert {line["key"] for line in summary["differs"]} >= {"replicas", "tree.subclasses", "data.dim"}
    for part in ("How to reproduce", "arXiv:2303.16887", summary["environment"]["torch"], "σ_ζ√d"):
        assert part in page


def test_the_paper_is_that_of_the_citation_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper, software = citations("arXiv:2303.16887")
    assert cited["references"][0]["title"] in paper
    assert all(author["family-names"] in paper for author in cited["references"][0]["authors"])
    assert cited["title"] in software
    assert citations("another")[0] == software
    assert list(PAPERS) == ["arXiv:2303.16887"]


def test_a_study_has_its_cells_and_comparisons(tiny_study: StoredStudy) -> None:
    facts = study_facts(tiny_study.folder)
    assert facts["question"] == yaml.safe_load(STUDY)["question"]
    assert [cell["values"] for cell in facts["cells"]] == [{"data.noise": 0.25}, {"data.noise": 0.5}]
    assert all(len(cell["claims"]) == 9 for cell in facts["cells"])
    assert facts["comparisons"][0]["id"] == "coarse → fine"
    assert facts["reproduce"]["command"] == "theory-sim study noise.yaml"
    assert facts["environment"]["theory_sim"]


def test_what_is_named(tiny_run: StoredRun, tiny_study: StoredStudy, image_study: StoredStudy) -> None:
    results = tiny_run.folder.parent.parent
    assert find_reported(str(tiny_study.folder)) == tiny_study
    assert find_reported("noise", tiny_study.folder.parent.parent) == tiny_study, "a study comes before its runs"
    assert find_reported("tiny", image_study.folder.parent.parent) == image_study
    for named in (tiny_run.id[:6], "tiny", f"tiny/{tiny_run.id}"):
        assert find_reported(named, results).folder == tiny_run.folder
    assert newest_run(results).folder == tiny_run.folder
    with pytest.raises(InputError, match="there is no run 'nothing'"):
        find_reported("nothing", results)


def test_damaged_tables_are_one_line(tiny_study: StoredStudy, tmp_path: Path) -> None:
    for name in ("sweep.json", "cells.parquet"):
        (tmp_path / name).write_text("{")
    with pytest.raises(InputError, match="holds no tables of a study that can be read"):
        report_of([StoredStudy("study", tmp_path)])


def test_texts_are_escaped(tiny_study: StoredStudy) -> None:
    page = (tiny_study.folder / "report.html").read_text()
    assert "<b>matter" not in page
    assert "Does noise &lt;b&gt;matter&lt;/b&gt;?" in page


def test_a_page_of_images_has_the_gains_of_the_split_that_is_printed(image_study: StoredStudy) -> None:
    """It drew the errors by a split that leans towards any networks that differ from the baseline."""
    facts = image_facts(image_study.folder)
    results = pd.read_csv(image_study.folder / "results.csv")
    charts = {chart.id: chart for chart in image_charts(facts)}
    drawn = [samples for samples in ("all", "hard-both", "easy-both") if samples in set(results.samples)]
    assert list(charts) == ["all-error", *(f"{samples}-gain" for samples in drawn)]
    assert len(drawn) >= 2
    for samples in drawn:
        for series in charts[f"{samples}-gain"].series:
            own = results[(results.samples == samples) & (results.kind != "baseline")]
            own = own[own.transfer + own.transfer_steps.map(lambda steps: f", {steps} steps" if steps else "") == series.name]
            assert sorted(series.y) == pytest.approx(sorted(own.gain.dropna()))
            assert sorted(series.low) == pytest.approx(sorted(own.gain_low.dropna()))


def test_a_page_of_images_shows_the_examples_that_the_study_left(image_study: StoredStudy) -> None:
    facts, examples = image_facts(image_study.folder), pd.read_csv(image_study.folder / "examples.csv", dtype={"file": str})
    shown = [(kind, one["picture"], len(one["answers"])) for kind, images in facts["examples"].items() for one in images]
    left = [(key[0], part.png.iloc[0], len(part)) for key, part in examples.groupby(["samples", "file"])]
    assert sorted(shown) == sorted(left)
    assert len(shown) > 0


def test_commands_set_texts_as_texts() -> None:
    """The name 2024 was once set as a number, which a name is not."""
    values = {"name": "2024", "data.path": "a # b", "labels.fine": "split(1, 2)", "x.date": "2024-11-26", "x.y": ["1", 1, None]}
    words = shlex.split(" ".join(set_options(values)))
    assert words[::2] == ["--set"] * len(values)
    read = {key: parse_value(text, key) for key, _, text in (word.partition("=") for word in words[1::2])}
    assert read == values
    assert "--set 'labels.fine=split(1, 2)'" in set_options(values), "no quotes where none are needed"


def test_the_command_of_a_sweep_names_its_theory(tmp_path: Path) -> None:
    """It once left the theory and the name out, and so would have run another sweep."""
    settings = load_config(theory="benign-overfitting", name="2024").model_dump(mode="json")
    write_json(tmp_path / "sweep.json", {"config": settings, "keys": ["data.dim"], "cells": {}})
    row = {"status": "failed", "reason": "it diverged"}
    tables.write(tmp_path / "cells.parquet", "cells", {"data.dim": [64]}, [[{"cell": "a", "data.dim": 64} | row]])
    command = study_facts(tmp_path)["reproduce"]["command"]
    assert shlex.split(command) == [
        *("theory-sim", "sweep", "--set", 'name="2024"', "--set", "theory=benign-overfitting", "--grid", "data.dim=64")
    ]


def test_an_infinite_end_is_infinite_in_the_page(tiny_run: StoredRun) -> None:
    """JSON has null for it, which the page once called undefined."""
    results = loaded(tiny_run)
    facts = run_facts(tiny_run, results)
    for claim, low, high, decision in zip(
        facts["claims"], (None, 0.25, None), (0.5, None, None), ("undecided", "undecided", "no result"), strict=False
    ):
        claim |= {"estimate": 0.25, "low": low, "high": high, "decision": decision}
    page = filled(facts, [], neuron_maps(results))
    for words in ("0.25 [−∞, 0.5]", "0.25 [0.25, ∞]", "0.25, no interval"):
        assert words in page
    assert "undefined" not in page.partition('<script type="application/json"')[0]


def test_steps_are_exact_in_the_tables() -> None:
    """1,234,567 was once 1.23457e+06."""
    series = Series("a", 0, "solid", [0.0, 1234567.0], [1.0, 0.5])
    rows = table(Chart("id", "title", "caption", "training step", "loss", [series]))["rows"]
    assert [row[0] for row in rows] == ["0", "1234567"]


def test_a_map_of_no_neurons_is_empty(tiny_run: StoredRun) -> None:
    results = loaded(tiny_run)
    records = {name: data.isel(neuron=slice(0)) for name, data in results.records.items()}
    for packed in neuron_maps(Results(results.config, results.folder, records)):
        assert (packed.neurons, packed.lucky, packed.size) == ([], [], 0)
        assert zlib.decompress(base64.b64decode(packed.values)) == b""

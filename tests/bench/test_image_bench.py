"""The benchmark measures what it says; how fast it is is not tested."""

import json
import sys

import pytest

from theory_sim import cli
from theory_sim.bench import image_cells
from theory_sim.bench import images as bench
from theory_sim.pretraining.models import Classifier


def test_all_ratios_are_measured_and_printed(monkeypatch, capsys, tmp_path):
    read, trained = [], []
    honest_batches, honest_train, honest_jpegs = bench.batches, bench.train, bench._jpegs
    monkeypatch.setattr(bench, "_jpegs", lambda folder, n, side: honest_jpegs(folder, n, 64))
    monkeypatch.setattr(
        bench, "batches", lambda *a, **k: (read.append(len(batch.images)) or batch for batch in honest_batches(*a, **k))
    )
    monkeypatch.setattr(bench, "train", lambda model, *a: trained.append(type(model)) or honest_train(model, *a))
    monkeypatch.setattr(bench, "_step", lambda name, size, batch, steps, rounds: _STEP("convnet", 8, 8, 2, rounds))
    monkeypatch.setattr(image_cells, "_PNGS", 128)
    monkeypatch.setattr(image_cells, "_STEPS", 1)
    monkeypatch.setattr(
        sys, "argv", ["theory-sim", "bench", "pretrain", "--images", "64", "--rounds", "1", "--json", str(tmp_path / "r.json")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    ratios = json.loads((tmp_path / "r.json").read_text())
    assert [ratio["bound"] for ratio in ratios] == [0.8, None, 0.95, 0.95, 0.95, 1 / 1.1, 1 / 1.5]
    assert stop.value.code == (0 if all(ratio["ratio"] >= (ratio["bound"] or 0) for ratio in ratios) else 1)
    assert read == 4 * [64] * bench._PASSES  # two ways to crop, each once before and once measured
    assert trained == [Classifier, Classifier]
    out = capsys.readouterr().out
    for ratio in ratios:
        assert ratio["what"] in out
        assert ratio["ratio"] == pytest.approx(ratio["ours"] / ratio["bare"])


_STEP = bench._step

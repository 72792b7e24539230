"""Blocks of cells on disk: one dataset, resumed after a kill, read cell by cell as runs alone are."""

from pathlib import Path
from typing import Any

import pytest
import torch
import xarray as xr

import theory_sim as ts
from theory_sim.config import Config, load_config
from theory_sim.runs import cells as blocks
from theory_sim.runs.cells import cells_folder, run_cells
from theory_sim.runs.folder import finished_cells, results_folder
from theory_sim.runs.results import load_cells, load_results
from theory_sim.runtime.errors import InputError
from theory_sim.training.cells import CellsTraining

CPU = torch.device("cpu")
WILD = {"training.step_size.fine": 1e30}
NUMBERS: list[dict[str, Any]] = [{}, {"data.noise": 0.3}, WILD, {"hard.noise": 0.0}, {"seed": 5}]


@pytest.fixture
def configs(config_file: Path) -> list[Config]:
    base = load_config(config_file).replace({"training.steps": 12, "record.points": 4})
    return [base.replace(numbers) for numbers in NUMBERS]


def by_id(configs: list[Config], out: Path) -> dict[str, Config]:
    return {results_folder(config, out).name: config for config in configs}


def test_cells_are_those_of_runs_alone(configs: list[Config], tmp_path: Path) -> None:
    cells = by_id(configs, tmp_path)
    made = run_cells(cells, tmp_path, CPU)
    folder, where = cells_folder(cells, tmp_path), tmp_path / configs[0].name
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["cells.json", "checkpoint.safetensors", "coarse.nc", "environment.json", "fine.nc", "manifest.json"]
    )
    stored = load_cells(folder)
    assert list(made.failed) == list(stored.failed) == [list(cells)[2]]
    for id_, config in cells.items():
        if id_ in made.failed:
            with pytest.raises(ts.DivergedError) as error:
                ts.run(config, tmp_path / "alone", "cpu")
            assert made.failed[id_] == stored.failed[id_] == str(error.value)
            with pytest.raises(InputError, match="has failed: step 1"):
                load_results(where / id_)
            continue
        alone = ts.run(config, tmp_path / "alone", "cpu")
        for results in (made.results(id_), stored.results(id_), load_results(where / id_), load_results(where / id_, config)):
            assert results.config == config
            for name, own in alone.records.items():
                xr.testing.assert_identical(results.records[name], own)
        other = config.replace({"hard.noise": 1.0, "test.samples": 20})
        cell = load_results(where / id_)
        assert ts.evaluate_on(cell, other, "cpu").test_correct.equals(ts.evaluate_on(alone, other, "cpu").test_correct)
        assert torch.equal(cell.network("fine", 1).weight, alone.network("fine", 1).weight)
    assert finished_cells(tmp_path, configs[0].name) == dict.fromkeys(cells, folder)
    with pytest.raises(InputError, match="holds no finished run"):
        load_results(where / "0000")


def test_a_killed_block_goes_on_from_its_checkpoint(
    configs: list[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = by_id(configs, tmp_path)
    whole = run_cells(cells, tmp_path / "whole", CPU)
    begun: list[int] = []

    class Killed(CellsTraining):
        def step(self) -> Any:
            begun.append(self.steps_done)
            if self.steps_done == 7 and begun.count(7) == 1:
                raise KeyboardInterrupt
            return super().step()

    monkeypatch.setattr(blocks, "CellsTraining", Killed)
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, tmp_path / "killed", CPU)
    assert finished_cells(tmp_path / "killed", configs[0].name) == {}
    again = run_cells(cells, tmp_path / "killed", CPU)
    assert begun == [*range(8), *range(6, 12)]  # a checkpoint every three steps
    assert again.failed == whole.failed
    for name, data in whole.records.items():
        xr.testing.assert_identical(again.records[name], data)

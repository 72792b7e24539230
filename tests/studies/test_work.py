"""Sweeps whose cells are trained side by side: the tables are those of cells run alone."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny import TINY

import theory_sim as ts
from theory_sim.config import Config, load_config
from theory_sim.runs import cells as blocks
from theory_sim.runs.folder import results_folder
from theory_sim.runs.results import load_results
from theory_sim.runtime.errors import BlockWarning
from theory_sim.runtime.progress import Progress
from theory_sim.studies import tables, work
from theory_sim.studies.sweep import Sweep, find_sweep, make_cells, sweep
from theory_sim.studies.work import plan
from theory_sim.training.cells import CellsTraining

CPU = torch.device("cpu")
GRIDS: list[dict[str, list[Any]]] = [
    {"data.noise": [0.2, 0.4], "tree.subclasses": [3, 2], "seed": [1, 2]},
    {"training.step_size.fine": [0.1, 1e30]},
    {"hard.noise": [0.0, 1.0]},
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("configuration") / "tiny.yaml"
    path.write_text(TINY)
    return load_config(path).replace({"training.steps": 8, "record.points": 3})


@pytest.fixture(scope="module")
def alone(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    out = tmp_path_factory.mktemp("alone")
    done = sweep(config, GRIDS, out, "cpu", jobs=0, together=False)
    assert not list(out.glob("*-cells"))
    return done


def assert_same(ours: Sweep, theirs: Sweep) -> None:
    assert ours.failed == theirs.failed
    for table in tables.SCHEMAS:
        own, other = ours.read(table), theirs.read(table)
        pd.testing.assert_frame_equal(own, other, check_exact=True)


@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_tables_are_those_of_cells_run_alone(config: Config, alone: Sweep, tmp_path: Path, jobs: int) -> None:
    seen: list[Progress] = []
    out = tmp_path / "out"
    ours = sweep(config, GRIDS, out, "cpu", jobs=jobs, on_progress=seen.append)
    assert_same(ours, alone)
    (reason,) = ours.failed.values()
    assert reason.startswith("DivergedError: step 1: the weight update of the fine model is inf in replica 0; a smaller training")
    assert not (out / "tiny").exists()  # no folder for a cell
    assert (seen[-1].done, seen[-1].total) == (len(ours.ids), len(ours.ids))
    found = find_sweep(config, GRIDS, out, "cpu")
    assert found is not None
    assert found.failed == ours.failed
    cells = ours.read("cells").dropna(subset="folder").drop_duplicates("cell")
    for row in list(cells.itertuples())[:3]:
        assert load_results(out / row.folder).config == ours.ids[row.cell].config


def test_a_killed_sweep_goes_on_with_its_blocks(
    config: Config, alone: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    steps: list[int] = []

    class Killed(CellsTraining):
        def step(self) -> Any:
            steps.append(self.steps_done)
            if len(steps) == 13:  # in the second block
                raise KeyboardInterrupt
            return super().step()

    monkeypatch.setattr(blocks, "CellsTraining", Killed)
    with pytest.raises(KeyboardInterrupt):
        sweep(config, GRIDS, out, "cpu", jobs=0)
    before = len(steps)
    assert_same(sweep(config, GRIDS, out, "cpu", jobs=0), alone)
    assert steps[before:] == [3, 4, 5, 6, 7]  # the second block from its checkpoint, the first not at all
    before = len(steps)
    again = sweep(config, GRIDS, out, "cpu", jobs=0)
    assert_same(again, alone)
    assert len(steps) == before


def test_sweeps_share_cells_of_blocks_and_of_runs(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    ts.run(config.replace({"hard.noise": 2.0}), out, "cpu")
    sweep(config, [{"hard.noise": [0.0, 1.0]}], out, "cpu", jobs=0)
    trained: list[int] = []

    class Counted(CellsTraining):
        def __init__(self, cells: Any, device: Any = "cpu") -> None:
            trained.append(len(cells))
            super().__init__(cells, device)

    monkeypatch.setattr(blocks, "CellsTraining", Counted)
    grid = [{"hard.noise": [0.0, 1.0, 2.0, 3.0, 5.0]}]
    ours = sweep(config, grid, out, "cpu", jobs=0)
    assert trained == [2]
    assert_same(ours, sweep(config, grid, tmp_path / "other", "cpu", jobs=0, together=False))


def test_bounds_of_claims_are_those_of_the_sweep(config: Config, tmp_path: Path) -> None:
    out, grid = tmp_path / "out", [{"hard.noise": [0.0, 1.0]}]
    sweep(config, grid, out, "cpu", jobs=0)
    wide = sweep(config.replace({"claims.training_loss": 100.0}), grid, out, "cpu", jobs=0)
    cells = wide.read("cells")
    assert set(cells[cells.id == "fine-training-loss"].bound) == {100.0}


def test_a_block_that_fails_as_a_whole_is_run_cell_by_cell(
    config: Config, alone: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("no memory for the block")

    monkeypatch.setattr(work, "run_cells", refuse)
    seen: list[Progress] = []
    with pytest.warns(
        BlockWarning, match="^[0-9]+ cells are run one at a time, since they failed side by side: .*no memory for the block$"
    ):
        ours = sweep(config, GRIDS, tmp_path / "out", "cpu", jobs=0, on_progress=seen.append)
    assert_same(ours, alone)
    assert seen[-1].done == len(ours.ids)


def test_cells_of_a_users_theory_are_a_block_in_worker_processes(tmp_path: Path) -> None:
    """A worker did not know the theory: each cell was run alone, and nothing said so. A warning is an error here."""
    file = Path(__file__).parents[2] / "docs" / "tutorial" / "seldom.py"
    config = load_config(plugins=[str(file)], theory="seldom", replicas=2).replace({"training.steps": 2, "test.samples": 50})
    done = sweep(config, [{"law.seldom": [0.1, 0.3, 0.4]}], tmp_path, "cpu", jobs=1)
    assert not done.failed
    assert len(list((tmp_path / "seldom-cells").iterdir())) == 1
    assert not (tmp_path / "seldom").exists()
    assert set(done.read("cells").id) == {"frequent-error", "growth-at-most", "growth-at-least"}


def test_a_plan_divides_cells_by_shape_memory_and_jobs(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def sizes(grids: Any, jobs: int) -> list[int]:
        cells = {results_folder(cell.config).name: cell.config for cell in make_cells(config, grids)}
        planned = plan(cells, jobs, CPU)
        assert sorted(id_ for ids in planned for id_ in ids) == sorted(cells)
        return [len(ids) for ids in planned]

    assert sizes([{"data.noise": [0.1, 0.2, 0.3, 0.4]}], 1) == [4]
    assert sizes([{"data.noise": [0.1, 0.2, 0.3, 0.4]}], 2) == [2, 2]
    assert sizes([{"data.noise": [0.1, 0.2, 0.3]}], 4) == [3]  # no block of one
    assert sizes([{"data.dim": [16, 32], "data.noise": [0.1, 0.2]}], 1) == [2, 2]
    assert sizes([{"data.dim": [16, 32, 64]}], 1) == [1, 1, 1]
    # Cells that are trained on the same samples stay together.
    assert sizes([{"data.noise": [0.1, 0.2], "hard.noise": [0.0, 1.0, 2.0]}], 2) == [3, 3]
    one = work.bytes_of(config)
    monkeypatch.setattr(work, "_MOST_BYTES", 4.5 * one)
    assert max(sizes([{"data.noise": [0.1 * i for i in range(12)]}], 1)) <= 4
    monkeypatch.setattr(work, "_MOST_BYTES", 3.5 * one)
    assert sizes([{"data.noise": [0.1, 0.2, 0.3, 0.4]}], 1) == [1, 1, 1, 1]


def test_a_file_of_rows_is_json(config: Config, tmp_path: Path) -> None:
    ours = sweep(config, [{"hard.noise": [0.0, 1.0]}], tmp_path, "cpu", jobs=0)
    (part,) = (ours.folder / "rows").glob("*.json")
    assert list(json.loads(part.read_text())) == list(ours.ids)

"""The whole study: cells, results, what is hard, what is refused."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from image_folders import CLASSES, make_folder, save_image
from outcome import rows

from theory_sim import cli, pretraining
from theory_sim.pretraining import cells as cells_module
from theory_sim.pretraining import report, study
from theory_sim.pretraining.config import ImageStudy, load_study
from theory_sim.pretraining.evaluation import readouts
from theory_sim.runtime.errors import DivergedError

ROOT = Path(__file__).parents[2]
FUNCTIONS = ["level(1)", "leaf", "random(3)", "cluster-within(2)"]


def run(settings: list[str], out: Path, *more: str) -> study.Outcome:
    return study.run_study(load_study(None, [*settings, *more]), out)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """The program in this process, with a configuration file."""

    def call(settings: list[str], *arguments: object) -> tuple[int, str, str]:
        path = tmp_path / "empty.yaml"
        path.write_text("{}\n")
        sets = [part for text in settings for part in ("--set", text)]
        monkeypatch.setattr(
            sys, "argv", ["theory-sim", "pretrain", str(path), *sets, "--out", str(tmp_path / "out"), *map(str, arguments)]
        )
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    return call


def test_a_study_has_a_row_for_everything(settings, tmp_path, command):
    more = ["pretraining.step_size=0.001", "transfer.training.step_size=0.001"]  # networks that misclassify some images
    code, out, _ = command([*settings, *more, f"labels.functions={json.dumps(FUNCTIONS)}", "transfer.steps=[2, 4]"])
    assert code == 0
    for text in FUNCTIONS:
        assert text in rows(out)
    verdict = [line.split(": ")[0] for line in out.splitlines() if line.startswith(("all test images, ", "hard images, "))]
    transfers = ["finetune (2 steps)", "finetune (4 steps)", "argmax_parent", "sum_logits", "sum_probabilities"]
    assert verdict == [f"{where}, {transfer}" for where in ("all test images", "hard images") for transfer in transfers]
    (results,) = (tmp_path / "out" / "tiny").glob("*/results.csv")
    table = pd.read_csv(results)
    whole = table[table.samples == "all"]
    ways = {("finetune", 2), ("finetune", 4), ("sum_logits", 0), ("sum_probabilities", 0), ("argmax_parent", 0)}
    for text in FUNCTIONS:
        found = whole[whole.label_function == text]
        assert set(zip(found.transfer, found.transfer_steps, strict=True)) == ways
    assert sorted(whole[whole.kind == "baseline"].pretraining_steps) == [6, 8, 10]
    assert set(table.kind) == {"baseline", "level", "leaf", "random", "cluster-within"}
    assert set(table.samples) == {"all", "hard-both", "easy-both", "mixed-both"}
    assert set(table.seeds) == {"0 1"}
    assert (whole.samples_per_seed == 12).all()
    for row in whole.itertuples():
        assert 0 <= row.low <= row.error <= row.high <= 1
        if row.kind != "baseline":
            assert row.gain == pytest.approx(row.baseline_error - row.error)
            assert np.isnan([row.p, row.p_holm]).all(), "two seeds have no p-value"
    # A network that was pretrained on the coarse labels, and the baseline of as many steps, are one and the same.
    same = whole[(whole.label_function == "level(1)") & (whole.transfer == "argmax_parent")]
    assert (same.gain == 0).all()
    lists = pd.read_csv(results.parent / "labels.csv").set_index("label_function")
    assert lists.classes.to_dict() == {"level(1)": 2, "leaf": 4, "random(3)": 3, "cluster-within(2)": 4}
    assert (lists.inside[["level(1)", "leaf", "cluster-within(2)"]] == 1).all()
    assert json.loads((results.parent / "failures.json").read_text()) == {}
    assert load_study(results.parent / "config.yaml").labels.functions == FUNCTIONS


def test_a_mistake_in_the_program_is_no_failed_cell(settings, tmp_path, monkeypatch):
    def train(*arguments):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(cells_module, "train", train)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run(settings, tmp_path / "out")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError("too large")], ids=repr)
def test_no_room_in_memory_fails_one_cell(settings, tmp_path, failing, error):
    failing("leaf, seed 0", error)
    failures = run([*settings, "seeds=1"], tmp_path / "out").failures
    assert failures == {name: str(error) for name in ("leaf, seed 0", "leaf, seed 0, finetune", "leaf, seed 0, none")}


def test_what_is_done_is_not_done_again(settings, tmp_path, monkeypatch):
    first = run(settings, tmp_path / "out").results
    trained: list[str] = []
    honest = cells_module.train
    monkeypatch.setattr(cells_module, "train", lambda *a: trained.append(a[6]) or honest(*a))
    again = run(settings, tmp_path / "out").results
    assert trained == []
    pd.testing.assert_frame_equal(first, again)
    run(settings, tmp_path / "out", 'labels.functions=["leaf", "mixed(1, 2)"]')
    assert {name.split(",")[0] for name in trained} == {"mixed(1"}
    trained.clear()
    run(settings, tmp_path / "out", "seeds=3")
    assert trained
    assert all("seed 2" in name for name in trained)
    trained.clear()
    run(settings, tmp_path / "out", "transfer.training.step_size=0.1")
    assert sorted(trained) == [f"{text}, seed {seed}, finetune" for text in ("leaf", "level(1)") for seed in (0, 1)]


def test_an_interrupted_study_goes_on_to_the_same_results(settings, tmp_path):
    whole = run(settings, tmp_path / "whole").results

    def interrupt(progress):
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.run_study(load_study(None, settings), tmp_path / "out", interrupt)
    pd.testing.assert_frame_equal(run(settings, tmp_path / "out").results, whole)


def test_a_study_that_is_interrupted_within_cells_goes_on_to_the_same_numbers(settings, tmp_path):
    """On images from disk: random crops and mirrored images are the same after a checkpoint, with reading processes too."""
    own = [
        *settings,
        "seeds=1",
        "labels.functions=[leaf]",
        "pretraining.checkpoint_every=2",
        "transfer.training.checkpoint_every=1",
    ]
    own += ["pretraining.crop=resized", "pretraining.flip=true", "pretraining.mixup=0.2", "pretraining.average=0.9"]
    whole = run(own, tmp_path / "whole")
    resumed = []

    def interrupt(stop):
        def on_progress(progress):
            resumed.append(progress.done)
            if progress.done == stop:
                raise KeyboardInterrupt

        return on_progress

    for stop in (3, 11, 19):
        with pytest.raises(KeyboardInterrupt):
            study.run_study(load_study(None, own), tmp_path / "out", interrupt(stop))
    on = [*own, "workers=1"]
    again = study.run_study(load_study(None, on), tmp_path / "out", interrupt(None))
    steps = [done for stage_done in [resumed] for done in stage_done]
    assert steps.count(3) == 2, "a cell went on from its checkpoint at step 2"
    assert steps.count(1) == steps.count(2) == 1
    pd.testing.assert_frame_equal(again.results, whole.results)
    for split in ("test", "validation"):
        for one, other in zip(whole.transferred, again.transferred, strict=True):
            assert torch.equal(one.answers[0][split].confidence, other.answers[0][split].confidence)


def test_an_interrupted_study_prints_what_is_done(settings, command, failing):
    failing("leaf, seed 1", KeyboardInterrupt())
    code, out, err = command([*settings, "transfer.modes=[finetune]"])
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted; run the same command again")
    assert out.startswith("interrupted; what is finished:")
    assert rows(out)["level(1)"][:4] == ["level(1)", "2", "finetune", "6 + 2"]
    assert "leaf" in rows(out)
    assert "all test images, finetune (2 steps): " in out


def test_a_total_of_images_holds_for_everything_that_is_trained(settings, tmp_path, monkeypatch):
    """Baselines and transfers used all images, so that a label function was compared with a network of more images."""
    honest, used = cells_module.train, {}

    def train(*arguments):
        used[arguments[6]] = arguments[1].indices.tolist()
        return honest(*arguments)

    monkeypatch.setattr(cells_module, "train", train)
    run([*settings, "seeds=1", "transfer.modes=[finetune]", "labels.total_images=12"], tmp_path / "out")
    assert {what: len(set(indices)) for what, indices in used.items()} == dict.fromkeys(used, 12)
    assert len(used) == 5
    assert len({tuple(indices) for what, indices in used.items() if what != "leaf, seed 0"}) == 1
    used.clear()
    run([*settings, "seeds=1", "transfer.modes=[finetune]"], tmp_path / "out")
    assert {len(indices) for indices in used.values()} == {24}, "the networks of fewer images are not taken for those of all"
    assert len(used) == 5


@pytest.mark.parametrize(
    ("more", "side"),
    [
        ([], 20),
        (["model.image_size=12"], 12),
        (["model.name=vit_ti16"], 32),
        (["data={source: digits}"], 8),
    ],
)
def test_the_size_of_the_images_is_derived(more, side, settings, tmp_path):
    """It was 8 by default, so that photographs were shrunk to 8 pixels."""
    quick = ["seeds=1", "labels.functions=[leaf]", "pretraining.steps=1", "transfer.modes=[none]"]
    unsaid = [text for text in settings if not text.startswith("model")]
    outcome = run([*unsaid, "model.width=4", *quick, *more], tmp_path / "out")
    assert outcome.study.model.image_size == side
    assert load_study(outcome.folder / "config.yaml").model.image_size == side


def test_photographs_are_fed_at_the_usual_size_of_the_network(tmp_path):
    from theory_sim.pretraining.datasets import load_data
    from theory_sim.pretraining.sizes import with_image_size

    for place in range(4):
        for number in range(5):
            save_image(tmp_path / "images" / f"{place}" / f"{number}.png", 50 * place, number + 10 * place, size=(300, 400))
    for name, side in (("convnet", 32), ("resnet18", 224), ("vit_ti16", 224)):
        checked = load_study(
            None, [f"model.name={name}", f"data={{source: tree, path: {tmp_path / 'images'}, validation_share: 0.3}}"]
        )
        data = load_data(checked.data, tmp_path / "keep")
        assert with_image_size(checked, data, data).model.image_size == side


def test_a_failed_cell_is_reported_and_the_others_go_on(settings, command, failing, monkeypatch, tmp_path):
    honest = failing("leaf, seed 1", DivergedError("leaf, seed 1: the loss is nan at step 3"))
    code, out, _ = command(settings)
    assert code == 1
    assert "failed: leaf, seed 1: leaf, seed 1: the loss is nan at step 3" in out
    assert "failed: leaf, seed 1, finetune" in out
    (results,) = (tmp_path / "out" / "tiny").glob("*/results.csv")
    table = pd.read_csv(results, dtype={"seeds": str})
    assert set(table[table.label_function == "leaf"].seeds) == {"0"}
    assert set(table[table.label_function == "level(1)"].seeds) == {"0 1"}
    monkeypatch.setattr(cells_module, "train", honest)
    assert command(settings)[0] == 0


def test_no_room_on_disk_is_one_line_and_loses_no_finished_cell(settings, command, monkeypatch, tmp_path):
    settings = [*settings, "keep=none"]  # each cell then saves one file
    honest, count = cells_module.save_checkpoint, []

    def save(*arguments, **values):
        count.append(1)
        if len(count) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.safetensors")
        return honest(*arguments, **values)

    monkeypatch.setattr(cells_module, "save_checkpoint", save)
    code, _, err = command(settings)
    assert code == 2
    assert "No space left on device" in err.splitlines()[-1]
    finished = sorted((tmp_path / "out/_images/cells").glob("*/*s.safetensors"))
    assert len(finished) == 4
    states = [path.stat().st_mtime_ns for path in finished]
    assert command(settings)[0] == 0
    assert [path.stat().st_mtime_ns for path in finished] == states


def test_the_test_split_plays_no_part(settings, tmp_path, folder):
    """Other test images, but the same training images: the same networks."""

    def weights(out: Path) -> dict[str, torch.Tensor]:
        from theory_sim.runtime.storage import load_checkpoint

        run(own, out)
        found = {}
        for path in sorted((out / "_images/cells").glob("*/weights.safetensors")):
            what = json.loads((path.parent / "cell.json").read_text())["what"]
            found |= {f"{what} {name}": value for name, value in load_checkpoint(path)[0].items()}
        for path in sorted((out / "_images/cells").glob("*/answers.safetensors")):
            what = json.loads((path.parent / "cell.json").read_text())
            key = f"{what['what']} {what.get('training', {}).get('steps')}"
            found |= {f"{key} {n}": v for n, v in load_checkpoint(path)[0].items() if n.startswith("validation")}
        return found

    make_folder(tmp_path / "test", 2, seed=7)
    own = [*settings, f"data.test_path={tmp_path / 'test'}"]
    first = weights(tmp_path / "one")
    for place, name in enumerate(CLASSES):
        for number in range(2):
            save_image(tmp_path / "test" / name / f"{number:03d}_{number % 5}.jpg", 200 - 50 * place, size=(30, 30))
    second = weights(tmp_path / "two")
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.path=/nowhere"], "no such folder: /nowhere"),
        (["labels.functions=[leaf, cluster(500)]"], "cluster(500): the 40 samples can be divided into 1 to 40 clusters, not 500"),
        (["labels.functions=[hypernym(2)]"], "unknown synset 'gulls'"),
        (["labels.functions=[group(kingdom)]"], "group(kingdom): this data set has none"),
        (["labels.functions=[level(3)]"], "level(3): the label tree has levels 1 to 2"),
        (["labels.images_per_class=100"], "labels.images_per_class: 100, but level(1) has a class of 20 images"),
        (["model.name=resnet19"], "model.name: should be 'convnet'"),
        (["model.name=vit_ti16"], "model.image_size: patches of 16 need a multiple of 16, got 8"),
        (["pretraining.bach=3"], "unknown key pretraining.bach; did you mean pretraining.batch?"),
        (["data.source=digits"], "path: source digits takes none"),
        (["target={source: digits}"], "transfer.modes: 'none' reads the pretraining labels"),
        (["pretraining.accumulate=3"], "batch: 8 is not a multiple of the number of processes, 1, times accumulate, 3"),
    ],
)
def test_wrong_input_is_one_clear_line(settings, command, changes, message):
    code, out, err = command([*settings, *changes])
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert message in err.splitlines()[-1]


def test_a_missing_dependency_names_the_install_line(settings, command, monkeypatch):
    monkeypatch.setattr(pretraining.importlib.util, "find_spec", lambda name: None if name == "accelerate" else name)
    code, out, err = command(settings)
    assert (code, out, err) == (2, "", "error: this command needs accelerate: pip install 'theory-sim[pretrain]'\n")


def test_another_data_set_as_the_target(settings, tmp_path, folder):
    outcome = run(
        [*settings, "transfer.modes=[finetune, linear_probe]"],
        tmp_path / "out",
        f"target={{source: tree, path: {folder}, test_share: 0.3}}",
        "labels.functions=[level(1)]",
    )
    table = outcome.results
    assert set(table[table.kind != "baseline"].transfer) == {"finetune", "linear_probe"}
    assert outcome.labels[0].alignment is None
    assert report.results_for_people(outcome).row_count == 1 + 2


def test_hypernyms_of_imagenet_are_pretrained_on_and_transferred(settings, tmp_path):
    make_folder(tmp_path / "in21k", 8, {"n00007846": 40, "n00288000": 90, "n00288190": 160, "n01440764": 220})
    make_folder(tmp_path / "in1k", 8, {"n01440764": 40, "n04399382": 200}, seed=7)
    own = [*settings, f"data={{source: imagenet, path: {tmp_path / 'in21k'}}}", "transfer.modes=[finetune]", "seeds=1"]
    outcome = run(
        own, tmp_path / "out", "labels.functions=[leaf, hypernym(1)]", f"target={{source: imagenet, path: {tmp_path / 'in1k'}}}"
    )
    assert not outcome.failures
    assert [labels.targets.ndim for labels in outcome.labels] == [1, 2]


def test_readouts_by_hand():
    read = readouts(torch.tensor([0, 0, 1]), 2)
    logits = torch.tensor([[2.0, 1.9, 2.2], [-3.0, -3.0, -4.0]])
    p = logits.softmax(1)
    assert read["argmax_parent"](logits).argmax(1).tolist() == [1, 0]
    torch.testing.assert_close(read["sum_probabilities"](logits), torch.stack([p[:, 0] + p[:, 1], p[:, 2]], 1))
    torch.testing.assert_close(read["sum_logits"](logits), torch.tensor([[3.9, 2.2], [-6.0, -4.0]]).softmax(1))


def test_one_process_and_two_have_the_same_losses(settings, tmp_path):
    """By gloo on the CPU, with the same global batch: at every step of every cell."""
    more = ["seeds=1", "labels.functions=[leaf]", "pretraining.accumulate=2"]
    more += ["transfer={modes: [last_block], steps: [3], training: {batch: 8, log_every: 1}}"]
    more += ["pretraining.crop=resized", "pretraining.flip=true", "pretraining.mixup=0.2", "pretraining.average=0.5"]
    sets = [part for text in [*settings, *more] for part in ("--set", text)]
    (tmp_path / "empty.yaml").write_text("{}")
    losses = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}"
        done = launched(processes, "-m", "theory_sim", "pretrain", tmp_path / "empty.yaml", *sets, "--out", out)
        assert done.stdout.count("results: ") == 1  # the main process alone prints
        logs = sorted((out / "_images/cells").glob("*/log.jsonl"))
        losses.append({log.parent.name: [json.loads(line)["loss"] for line in log.read_text().splitlines()] for log in logs})
    one, two = losses
    assert one.keys() == two.keys()
    assert sorted(map(len, one.values())) == [3, 6, 9]
    for cell, values in one.items():
        np.testing.assert_allclose(two[cell], values, rtol=1e-4, atol=1e-5)


def test_batch_normalisation_is_over_both_processes():
    done = launched(2, Path(__file__).parent / "two_processes.py")
    rows = [line.split(": ")[1].split() for line in done.stdout.splitlines() if line.startswith("step")]
    whole, shared = np.array(rows, dtype=float).T
    np.testing.assert_allclose(shared, whole, rtol=1e-10)
    assert len(np.unique(whole)) == 3


def launched(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *launch, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000] + done.stderr[-1000:]
    return done


RECIPES = [path for path in sorted((ROOT / "configs").rglob("*.yaml")) if "pretraining:" in path.read_text()]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_opens_with_its_command(path):
    checked = load_study(path)
    assert checked.name == path.stem
    header = path.read_text().split("name:")[0]
    for word in ("theory-sim pretrain", "Hardware", "Cost", "paper"):
        assert word in header
    assert ImageStudy.model_validate(checked.model_dump(mode="json")) == checked

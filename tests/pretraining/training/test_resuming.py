"""A killed run resumes to the same numbers; divergence stops a run."""

import json
from pathlib import Path

import pytest
import torch
from pictures import task

from theory_sim.pretraining.config import Architecture, TrainingRecipe
from theory_sim.pretraining.models import Classifier
from theory_sim.pretraining.training import train
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.progress import Progress


class Killed(Exception):  # noqa: N818 - no error
    pass


EVERYTHING = TrainingRecipe(
    steps=24,
    batch=16,
    accumulate=2,
    optimizer="adamw",
    step_size=1e-3,
    mixup=0.4,
    average=0.9,
    crop="shift",
    flip=True,
    label_smoothing=0.1,
    clip_norm=1.0,
    precision="bf16",
    log_every=5,
    checkpoint_every=7,
)


SETTINGS = {
    "everything": EVERYTHING,
    "sgd": TrainingRecipe(steps=24, batch=16, log_every=5, checkpoint_every=7),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kill_at", [3, 7, 18])
def test_a_killed_run_goes_on_to_the_same_numbers(name, kill_at, tmp_path):
    def run(folder: Path, on_progress=lambda progress: None) -> Classifier:
        return train(Classifier(Architecture(width=4), 4, 0), task(40), SETTINGS[name], 3, folder, "key", on_progress=on_progress)

    def kill(progress: Progress) -> None:
        if progress.done == kill_at:
            raise Killed

    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill)
    with (tmp_path / "killed" / "log.jsonl").open("a") as log:
        log.write('{"step": 21, "loss"')
    first = []
    resumed = run(tmp_path / "killed", lambda progress: first.append(progress.done))
    assert first[0] == kill_at // 7 * 7 + 1
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    logs = [[json.loads(line) for line in (tmp_path / k / "log.jsonl").read_text().splitlines()] for k in ("whole", "killed")]
    for a, b in zip(*logs, strict=True):
        assert (a["step"], a["loss"], a["step_size"]) == (b["step"], b["loss"], b["step_size"])
    assert [line["step"] for line in logs[0]] == [5, 10, 15, 20, 24]


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    def kill(progress: Progress) -> None:
        if progress.done == 8:
            raise Killed

    settings = SETTINGS["sgd"]
    with pytest.raises(Killed):
        train(Classifier(Architecture(width=4), 4, 0), task(40), settings, 3, tmp_path, "key", on_progress=kill)
    with pytest.raises(InputError, match="is the checkpoint of another configuration"):
        train(Classifier(Architecture(width=4), 4, 0), task(40), settings, 3, tmp_path, "other")
    content = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(content[:-8] + b"\0damage\0")
    with pytest.raises(InputError, match="damaged checkpoint"):
        train(Classifier(Architecture(width=4), 4, 0), task(40), settings, 3, tmp_path, "key")


def test_divergence_stops_with_the_step(tmp_path):
    with pytest.raises(DivergedError, match=r"training: the loss is nan at step \d+"):
        train(
            Classifier(Architecture(width=4), 4, 0),
            task(40),
            TrainingRecipe(steps=40, step_size=1e12, warmup=0, log_every=1),
            0,
            tmp_path,
            "k",
        )

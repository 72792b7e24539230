"""Damaged results, diverging training, interrupts and failed allocations."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from outcome import Call, Outcome


@pytest.mark.parametrize("done", [True, False], ids=["finished", "unfinished"])
def test_results_of_another_configuration(again: Callable[[], Outcome], finished: Path, done: bool) -> None:
    stored = finished / "config.yaml"
    stored.write_text(stored.read_text().replace("seed: 2\n", "seed: 3\n"))
    if not done:
        (finished / "manifest.json").unlink()
    assert "holds the results of another configuration" in again().complaint


def test_other_bounds_in_finished_folder(again: Callable[[], Outcome], finished: Path) -> None:
    stored = finished / "config.yaml"
    stored.write_text(stored.read_text().replace("easy_error: 0.01\n", "easy_error: 0.5\n"))
    assert "config.yaml is not as it was written" in again().complaint


@pytest.mark.parametrize("name", ["coarse.nc", "fine.nc", "checkpoint.safetensors", "log.jsonl", "environment.json"])
def test_damaged_file_in_finished_folder(again: Callable[[], Outcome], finished: Path, name: str) -> None:
    content = bytearray((finished / name).read_bytes())
    content[len(content) // 2] ^= 1
    (finished / name).write_bytes(content)
    assert f"{name} is not as it was written; delete the folder to run again" in again().complaint


def test_absent_file_in_finished_folder(again: Callable[[], Outcome], finished: Path) -> None:
    (finished / "fine.nc").unlink()
    assert "holds no finished run: fine.nc is missing" in again().complaint


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"files": []}', '{"files": {"coarse.nc'])
def test_damaged_manifest(again: Callable[[], Outcome], finished: Path, content: str) -> None:
    (finished / "manifest.json").write_text(content)
    assert "manifest.json is damaged; delete the folder to run again" in again().complaint


def test_a_file_that_cannot_be_read_is_not_called_damaged(again: Callable[[], Outcome], finished: Path) -> None:
    """The message was that the manifest is damaged, and to delete the folder: a sound run would have been deleted."""
    (finished / "fine.nc").unlink()
    (finished / "fine.nc").mkdir()
    assert f"cannot read results/{finished.parent.name}/{finished.name}/fine.nc: Is a directory" in again().complaint


def test_truncated_checkpoint(again: Callable[[], Outcome], finished: Path) -> None:
    (finished / "manifest.json").unlink()
    checkpoint = finished / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    for length in (0, 7, 1000, len(whole) // 2, len(whole) - 1):
        checkpoint.write_bytes(whole[:length])
        message = again().complaint
        assert "damaged checkpoint" in message
        assert message.endswith("delete it to start again\n")


def test_flipped_byte_in_checkpoint(again: Callable[[], Outcome], finished: Path) -> None:
    (finished / "manifest.json").unlink()
    checkpoint = finished / "checkpoint.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[-100] ^= 1
    checkpoint.write_bytes(content)
    assert "its content is not what was written; delete it to start again" in again().complaint


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.step_size.fine=1e30", "step 1: the weight update of the fine model is inf in replica 0; a smaller"),
        ("training.step_size.coarse=1e30", "step 1: the weight update of the coarse model is inf in replica 0; a smaller"),
    ],
)
def test_nan_and_infinity_stop_training(call: Call, config_file: Path, tmp_path: Path, setting: str, message: str) -> None:
    assert call("simulate", config_file, "--device=cpu", "--set", setting).complaint.startswith(f"error: {message}")
    assert not list(tmp_path.rglob("manifest.json"))


def test_interrupt_from_the_keyboard(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("theory_sim.runs.run.run", interrupted)
    done = call("simulate", config_file)
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted; run the same command again to continue\n"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "an allocation failed"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"), "CUDA out of memory."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "DefaultCPUAllocator: can't allocate memory"),
        (RuntimeError("input tensor's memory format is not channels_last"), None),
    ],
    ids=["Python", "CUDA", "CPU", "a bug"],
)
def test_failed_allocations(
    call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str | None
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("theory_sim.runs.run.run", fails)
    if reason is None:
        with pytest.raises(RuntimeError, match="channels_last"):
            call("simulate", config_file)
    else:
        assert call("simulate", config_file).complaint == f"error: not enough memory for this configuration: {reason}\n"

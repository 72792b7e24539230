"""The pipeline imports only the lowest packages, and nothing that it writes is lost or executed."""

import ast
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

import theory_sim.pretraining
from theory_sim.runtime import storage
from theory_sim.runtime.storage import save_checkpoint

GROUND_FLOOR = {"labels", "pretraining", "runtime", "stats"}


@pytest.mark.parametrize("path", sorted(Path(theory_sim.pretraining.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_knows_the_simulator(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("theory_sim."):
                assert name.split(".")[1] in GROUND_FLOOR
            assert name.split(".")[0] not in ("pickle", "dill", "torchvision", "timm")
    assert "torch.load" not in path.read_text()


def test_a_full_disk_is_an_error_of_the_system_and_leaves_the_old_file(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.safetensors", {"x": torch.ones(100)})
    before = (tmp_path / "a.safetensors").read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(OSError, match=r"cannot write .*a\.safetensors: .*No space left on device"):
        save_checkpoint(tmp_path / "a.safetensors", {"x": torch.ones(100)})
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]

"""Files are whole or absent, and a damaged checkpoint is recognised by every byte of it."""

import hashlib
import json
import math
import os
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from theory_sim.runtime import storage
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.storage import (
    digest,
    load_checkpoint,
    save_checkpoint,
    without_nan,
    write_atomically,
    write_json,
    write_text,
)

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**9), 10**9)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
TENSORS = {
    "weights": torch.arange(12.0).reshape(3, 4).T,  # not contiguous
    "counts": torch.tensor([3, -1, 2**40]),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "none": torch.zeros(0, 3),
}


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, TENSORS, step=7, name="größer", shares=[0.1, None])
    return path


def test_text_is_written_into_new_folders_and_over_old_text(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    for text in ("first\n", "größer ≤ 3"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("begins", [True, False])
def test_a_writer_that_fails_leaves_the_old_file_and_its_own_error(tmp_path, begins):
    path = tmp_path / "note.txt"
    write_text(path, "old")

    def fail(part):
        if begins:
            part.write_text("half of it")
        raise ValueError("reason")

    with pytest.raises(ValueError, match="reason"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")

    def look_while_writing(part):
        part.write_text("new")
        assert part.parent == path.parent, "a rename is one step within a folder only"
        assert path.read_text() == "old"

    write_atomically(path, look_while_writing)
    assert path.read_text() == "new"


@given(VALUES)
def test_json_holds_every_value_with_null_for_what_json_has_not(value):
    def same(ours: Any, given: Any) -> bool:
        if isinstance(given, float) and not math.isfinite(given):
            return ours is None
        if isinstance(given, dict):
            return ours.keys() == given.keys() and all(same(ours[key], given[key]) for key in given)
        if isinstance(given, list):
            return len(ours) == len(given) and all(map(same, ours, given))
        return type(ours) is type(given) and ours == given

    text = json.dumps(without_nan(value), allow_nan=False)
    assert same(json.loads(text), value)


def test_json_files_are_for_readers_of_any_language(tmp_path):
    write_json(tmp_path / "a.json", {"größe": (1, float("nan"), {"x": float("-inf")})})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"größe": [1, None, {"x": None}]}
    assert "größe" in text
    assert text.endswith("}\n")
    assert len(text.splitlines()) > 3, "one value a line, so that a diff shows what differs"


def test_digest_of_a_file(tmp_path):
    """The known answer of FIPS 180-2 for "abc"."""
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_checkpoint_returns_what_was_saved(checkpoint):
    tensors, values = load_checkpoint(checkpoint)
    assert values == {"step": 7, "name": "größer", "shares": [0.1, None]}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_a_checkpoint_holds_tensors_that_need_gradients(tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", {"w": torch.ones(2, requires_grad=True)})
    tensors, values = load_checkpoint(tmp_path / "a.safetensors")
    assert tensors["w"].tolist() == [1, 1]
    assert values == {}


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_a_checkpoint_is_readable_by_those_who_can_read_other_results(tmp_path, mask):
    before = os.umask(mask)
    try:
        storage.save_checkpoint(tmp_path / "weights.safetensors", {"w": torch.ones(2)})
        storage.write_text(tmp_path / "text", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "weights.safetensors").stat().st_mode == (tmp_path / "text").stat().st_mode


def test_equal_checkpoints_are_equal_files(tmp_path, checkpoint):
    """Whatever the order in which the tensors were given."""
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, dict(reversed(TENSORS.items())), step=7, name="größer", shares=[0.1, None])
    assert load_checkpoint(other)[1] == load_checkpoint(checkpoint)[1]


def test_every_byte_of_a_checkpoint_counts(checkpoint):
    """A changed byte, of the header, the digest, a name or a number, is an error of one line."""
    content = checkpoint.read_bytes()
    for at in range(0, len(content), 7):
        checkpoint.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(InputError, match=r"^damaged checkpoint .*; delete it to start again$") as error:
            load_checkpoint(checkpoint)
        assert str(checkpoint) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_cut_checkpoint_is_damaged(checkpoint, keep):
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(checkpoint)


def test_an_absent_checkpoint_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"damaged checkpoint .*absent\.safetensors"):
        load_checkpoint(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    "changed",
    [
        {"a": torch.zeros(4), "b": torch.ones(4)},  # exchanged
        {"a": torch.ones(4), "c": torch.zeros(4)},  # renamed
        {"a": torch.ones(2, 2), "b": torch.zeros(4)},  # another shape
        {"a": torch.ones(4).view(torch.int32), "b": torch.zeros(4)},  # another type, the same bytes
        {"a": torch.ones(4)},  # one is gone
        {"a": torch.ones(4), "b": torch.zeros(4), "c": torch.zeros(0)},  # one more
    ],
    ids=["exchanged", "renamed", "shape", "type", "gone", "more"],
)
def test_the_digest_covers_names_types_shapes_and_values(tmp_path, changed):
    """With the digest of other tensors, a file is refused."""
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_checkpoint(path, {"a": torch.ones(4), "b": torch.zeros(4)}, step=1)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(changed, other, metadata)
    with pytest.raises(InputError, match="its content is not what was written"):
        load_checkpoint(other)
    save_file({"a": torch.ones(4), "b": torch.zeros(4)}, other, {**metadata, "values": '{"step": 2}'})
    with pytest.raises(InputError, match="its content is not what was written"):
        load_checkpoint(other)


def test_neither_smaller_nor_larger_digests_pass(tmp_path):
    path = tmp_path / "a.safetensors"
    for wrong in ("", "0" * 64, "f" * 64, hashlib.sha256(b"").hexdigest()):
        save_file({"a": torch.ones(2)}, path, {"values": "{}", "digest": wrong})
        with pytest.raises(InputError, match="damaged checkpoint"):
            load_checkpoint(path)


@pytest.mark.parametrize("metadata", [None, {"values": "{}"}, {"format": "pt"}])
def test_a_file_of_another_program_is_no_checkpoint(tmp_path, metadata):
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_an_error_of_several_lines_is_told_by_its_first(checkpoint, monkeypatch):
    def fail(*args):
        raise SafetensorError("the reason\nwhat it was doing\n")

    monkeypatch.setattr(storage, "safe_open", fail)
    with pytest.raises(InputError, match=r"^damaged checkpoint .*: the reason; delete it to start again$"):
        load_checkpoint(checkpoint)
    monkeypatch.setattr(storage, "save_file", fail)
    with pytest.raises(OSError, match=r"^cannot write .*state\.safetensors: the reason$"):
        save_checkpoint(checkpoint, TENSORS)


def test_a_full_disk_names_the_file(tmp_path):
    """Errors of writing name no file, unlike those of opening: the message once was "No space left on device" alone."""

    def full(part):
        with open("/dev/full", "w", encoding="utf-8") as file:
            file.write("x")

    with pytest.raises(OSError, match=r"No space left on device: '.*/x\.txt'$"):
        write_atomically(tmp_path / "x.txt", full)
    assert list(tmp_path.iterdir()) == []

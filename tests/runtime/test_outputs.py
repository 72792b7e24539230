"""Outputs never overwrite a file that theory_sim did not write."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from theory_sim.runtime import outputs
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import LEDGER, check_ours, write_json, write_output, write_text
from theory_sim.runtime.storage import digest

ROOT = Path(__file__).parents[2]


def test_a_users_file_is_refused_and_ours_is_overwritten(tmp_path: Path) -> None:
    mine, ours = tmp_path / "mine.json", tmp_path / "ours.json"
    mine.write_text("[]")
    for attempt in (lambda: check_ours([ours, mine]), lambda: write_json(mine, [1])):
        with pytest.raises(InputError, match=r"mine\.json was not written by theory-sim, and would be overwritten: move it"):
            attempt()
    assert mine.read_text() == "[]"
    for value in ([1], [2], [1]):
        check_ours([ours])
        write_json(ours, value)
        assert json.loads(ours.read_text()) == value
    ours.write_text("[1, 'a note of mine']")
    with pytest.raises(InputError, match=r"ours\.json was changed since theory-sim wrote it"):
        write_json(ours, [3])
    ours.unlink()
    write_json(ours, [3])
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "ours.json", LEDGER}


def test_a_kill_between_the_ledger_and_the_file_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "first")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_text(path, "second")
    assert path.read_text() == "first"
    write_text(path, "third")
    assert path.read_text() == "third"


@pytest.mark.parametrize("damage", [b"", b'{"file": "x.t', b"[1]\n", b"null\n", b'{"file": []}\n'])
def test_a_damaged_line_spoils_no_other(tmp_path: Path, damage: bytes) -> None:
    """As a full disk leaves it."""
    path = tmp_path / "x.txt"
    write_text(path, "first")
    with open(tmp_path / LEDGER, "ab") as ledger:
        ledger.write(damage)
    write_text(path, "second")
    write_text(path, "third")


def _write_many(folder: Path, name: str) -> None:
    for number in range(100):
        write_text(folder / f"{name}-{number}.txt", name)


def test_processes_share_a_ledger(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    check_ours(tmp_path.glob("*.txt"))
    noted = [line for line in (tmp_path / LEDGER).read_text().splitlines() if line]  # two that end a torn line leave an empty one
    assert len(noted) == 300


def test_the_gallery_of_this_package_can_be_drawn_again() -> None:
    """Its ledger notes the files that are there, so that ``make figures`` overwrites them."""
    folder = ROOT / "paper_figs"
    noted = outputs._read(folder)
    assert {name for name, digests in noted.items() if digest(folder / name) not in digests} == set()
    assert {path.name for path in folder.iterdir()} - noted.keys() == {"FINDINGS.md", "README.md", LEDGER}


def test_links_stay_and_their_targets_are_written(tmp_path: Path) -> None:
    """A link was once replaced by a file, and its target kept its old content."""
    (tmp_path / "there").mkdir()
    for name, target in (("link", "there/x.txt"), ("dangling", "there/new.txt")):
        (tmp_path / name).symlink_to(target)
        for text in ("first", "second"):
            write_text(tmp_path / name, text)
            assert (tmp_path / name).is_symlink()
            assert (tmp_path / target).read_text() == text
    (tmp_path / "there" / "mine.txt").write_text("mine")
    (tmp_path / "to mine").symlink_to("there/mine.txt")
    with pytest.raises(InputError, match=r"mine\.txt was not written by theory-sim"):
        write_text(tmp_path / "to mine", "ours")
    assert (tmp_path / "there" / "mine.txt").read_text() == "mine"


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    """A pipe was once replaced by a file; as root, so would be a device."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    written: list[Path] = []
    for name, what in (("pipe", "a pipe"), ("folder", "a folder"), ("link", "a pipe")):
        for attempt in (lambda path: check_ours([path]), lambda path: write_output(path, written.append)):
            with pytest.raises(InputError, match=f"{name} is {what}.*: choose another place"):
                attempt(tmp_path / name)
    assert written == []
    assert (tmp_path / "pipe").is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "folder", "link"}

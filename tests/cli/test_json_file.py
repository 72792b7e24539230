"""--json: files, links, pipes, devices and standard output; each is checked before the work, and none is replaced by a file."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from outcome import Call, strict

LIST = ("list", "engines", "--json")


def names(text: str) -> set[str]:
    return {each["name"] for each in strict(text)}


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_holds_json_alone(call: Call, name: str, tmp_path: Path) -> None:
    done = call(*LIST, name)
    assert done.code == 0
    assert names(done.out) == {"dense", "gradient", "lucky"}
    assert "defined in" in done.err  # the table
    assert list(tmp_path.iterdir()) == []
    assert "defined in" in call("list", "engines").out  # the next command prints as always


def test_devices_and_pipes_stay(call: Call, tmp_path: Path) -> None:
    """A device was once replaced by a file."""
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text(encoding="utf-8")))
    reader.start()
    assert call(*LIST, "pipe").code == 0
    reader.join(20)
    assert names(read[0]) == {"dense", "gradient", "lucky"}
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert call(*LIST, "/dev/null").code == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_open_pipe_and_an_open_file_of_the_shell(tmp_path: Path) -> None:
    script = f"{sys.executable} -m theory_sim list engines --json"
    bash = ["bash", "-c", f"{script} >(cat >piped; echo >done) >/dev/null && {script} /dev/fd/3 3>opened >/dev/null"]
    subprocess.run(bash, cwd=tmp_path, check=True, timeout=100)
    for name in ("piped", "opened"):
        assert names((tmp_path / name).read_text(encoding="utf-8")) == {"dense", "gradient", "lucky"}


def test_the_same_file_as_standard_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "theory_sim", *LIST, "both"]
    with open(tmp_path / "both", "w", encoding="utf-8") as file:
        subprocess.run(command, cwd=tmp_path, check=True, timeout=100, stdout=file, stderr=subprocess.DEVNULL)
    assert names((tmp_path / "both").read_text(encoding="utf-8")) == {"dense", "gradient", "lucky"}


def test_the_target_of_a_link_is_written_and_keeps_its_rights(call: Call, tmp_path: Path) -> None:
    assert call("list", "readouts", "--json", "target").code == 0
    (tmp_path / "target").chmod(0o600)
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("new")
    for link, target in (("link", "target"), ("dangling", "new")):
        assert call(*LIST, link).code == 0
        assert (tmp_path / link).is_symlink()
        assert names((tmp_path / target).read_text(encoding="utf-8")) == {"dense", "gradient", "lucky"}
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["verify", "regime", "check-data", "bench", "hierarchy imagenet21k", "list engines"])
def test_every_command_checks_before_its_work(call: Call, command: str, config_file: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "outside").symlink_to("absent/x")
    taken = socket.socket(socket.AF_UNIX)
    taken.bind("socket")  # paths of sockets are short: the tests' folder is the current one
    configuration = [config_file] if command in ("regime", "check-data") else []
    for name, reason in {
        "folder": "it is a folder",
        "loop": "Too many levels of symbolic links",
        "outside": "its folder does not exist",
        "socket": "it is a socket",
        "n" * 240: "its name is too long",
        "": "it is a folder",
    }.items():
        message = call(*command.split(), *configuration, "--json", name).complaint
        assert message == f"error: Invalid value for '--json': cannot write {name}: {reason}\n"
    taken.close()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "loop", "outside", "socket"}


def test_a_device_that_takes_nothing(call: Call) -> None:
    done = call(*LIST, "/dev/full")
    assert (done.code, done.err) == (2, "error: cannot write /dev/full: No space left on device\n")

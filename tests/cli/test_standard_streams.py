"""Standard streams that close, fill up, or lack characters: exit codes are those of the work, and nothing is a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from outcome import rows

PROGRAM = f"{sys.executable} -m theory_sim"


def shell(script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PROGRAM": PROGRAM} | environment
    command = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, timeout=200, check=False)


@pytest.mark.parametrize(
    ("redirection", "code", "out"),
    [
        ("list configs >&-", 0, b""),
        ("list configs 2>&- | grep -c '^│ default '", 0, b"1\n"),
        ("list configs >&- 2>&-", 0, b""),
        ("list configs <&-  | grep -c '^│ default '", 0, b"1\n"),
        ("list configs | true", 0, b""),
        ("list nothing 2>&-", 2, b""),
        ("list nothing 2>/dev/full", 2, b""),
        ("list nothing 2>&1 >/dev/null | true", 2, b""),
    ],
)
def test_streams_that_nobody_reads_change_no_exit_code(redirection: str, code: int, out: bytes, tmp_path: Path) -> None:
    """A reader that had gone once gave the exit code 1, which says that claims fail; a closed stream gave a traceback."""
    done = shell(f"$PROGRAM {redirection}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, b"")


def test_a_full_disk_behind_standard_output_is_an_error(tmp_path: Path) -> None:
    done = shell("$PROGRAM list configs >/dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (2, b"error: [Errno 28] cannot print: No space left on device\n")


def test_a_search_in_the_output_of_verify_leaves_its_exit_code(config_file: Path, tmp_path: Path) -> None:
    """`grep -q` goes away at the first line that it looks for."""
    most = {"training_loss": 100, "easy_error": 1, "fine_hard_error": 1, "coarse_rare_growth": 100, "transfer_gain_p": 1}
    bounds = most | {"coarse_hard_error": 1e-9, "fine_rare_growth": 1e-9, "confidence": 0.5}
    options = " ".join(f"--set claims.{key}={bound}" for key, bound in bounds.items())
    assert shell(f"$PROGRAM simulate {config_file} --device cpu --replicas 5", tmp_path).returncode == 0
    for more, code in ((options, 0), ("", 1)):
        done = shell(f"$PROGRAM verify {config_file} --device cpu --replicas 5 {more} | grep -q claim", tmp_path)
        assert (done.returncode, done.stderr) == (code, b"")


def test_a_run_goes_on_when_the_reader_of_its_progress_goes_away(config_file: Path, tmp_path: Path) -> None:
    done = shell(f"$PROGRAM simulate {config_file} --device cpu 2> >(head -c 1 >/dev/null)", tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith(b"results: results/tiny/")
    assert list(tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252:strict"])
def test_encodings_without_our_symbols(encoding: str, tmp_path: Path) -> None:
    """The table was once computed, and then crashed on its first Greek letter."""
    done = shell("$PROGRAM regime /dev/null", tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    table = done.stdout.decode(encoding.partition(":")[0])
    assert ("threshold τ" if encoding == "utf-8" else "threshold \\u03c4") in table
    assert ("│" in table) == (encoding == "utf-8")


def test_the_c_locale(tmp_path: Path) -> None:
    done = shell("$PROGRAM regime /dev/null", tmp_path, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"threshold \\u03c4" in done.stdout


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/tiny\xff.yaml"
    Path(os.fsdecode(name)).write_text("data: {dim: 10.5}\n", encoding="utf-8")
    done = shell("$PROGRAM regime tiny$'\\xff'.yaml; $PROGRAM simulate absent$'\\xff'.yaml", tmp_path)
    assert done.stderr == (
        b"error: tiny\xff.yaml: data.dim: should be a valid integer, got 10.5\n"
        b"error: cannot read the configuration absent\xff.yaml: No such file or directory\n"
    )
    done = shell("$PROGRAM list engines --json e$'\\xff'.json && $PROGRAM list engines --json no$'\\xff'/x", tmp_path)
    assert done.stderr == b"error: Invalid value for '--json': cannot write no\xff/x: its folder does not exist\n"
    assert rows(done.stdout.decode())["dense"]
    assert os.path.exists(os.fsencode(tmp_path) + b"/e\xff.json")


def test_a_folder_of_results_that_is_not_utf8_is_refused_before_the_work(config_file: Path, tmp_path: Path) -> None:
    """NetCDF and Parquet cannot write there: the error came after training."""
    done = shell(f"$PROGRAM simulate {config_file} --out o$'\\xff'", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: Invalid value for '--out': folder ")
    assert done.stderr.endswith(b"/o\xff: the path is not UTF-8\n")
    assert list(tmp_path.iterdir()) == []

"""The tests of strength at their smallest size; ``tests/strength/README.md`` has the full ones, and what they found."""

import subprocess
import sys
from pathlib import Path

import pytest

STRENGTH = Path(__file__).parents[1] / "strength"


@pytest.mark.parametrize(
    ("program", "arguments", "line"),
    [
        ("kills.py", ["2", "0", "simulate"], "simulate: 2 moments"),
        ("kills.py", ["1", "0", "pretrain"], "pretrain: 1 moments"),
        ("workers.py", ["1", "0", "local"], "loky: 1 workers killed in mid-cell, all 6 cells finished, equal tables"),
        ("full_disk.py", ["2", "0", "simulate"], "simulate: 2 moments"),
    ],
    ids=["kills of a run", "kills of an image study", "workers", "full disk"],
)
def test_smallest_size(program: str, arguments: list[str], line: str) -> None:
    command = [sys.executable, str(STRENGTH / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("skipped: "):
        pytest.skip(done.stdout.strip())
    assert done.stdout.startswith(line)

"""The error about a record that another program has open says so; it does not call the record damaged."""

import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from theory_sim.config import load_config
from theory_sim.runs.evaluate import evaluate_on, evaluation_path
from theory_sim.runs.results import load_results
from theory_sim.runtime.errors import InputError

pytest.importorskip("fcntl")


@contextmanager
def open_elsewhere(path):
    code = "import netCDF4, sys; file = netCDF4.Dataset(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout.readline() == b"open\n"
    try:
        yield
    finally:
        process.communicate()


def test_records_that_are_open_elsewhere_are_named_as_such(finished):
    before = finished / "before"
    shutil.copy(finished / "coarse.nc", before)
    with (
        open_elsewhere(finished / "coarse.nc"),
        pytest.raises(InputError, match=r"coarse\.nc is open for writing elsewhere; close it"),
    ):
        load_results(finished)
    shutil.copy(before, finished / "coarse.nc")
    results = load_results(finished)
    config = load_config(finished / "config.yaml", ["test.samples=20"])
    evaluate_on(results, config)
    path = evaluation_path(finished, config)
    with open_elsewhere(path), pytest.raises(InputError, match="is open for writing elsewhere; close it"):
        evaluate_on(results, config)
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged; delete it to test again"):
        evaluate_on(results, config)

"""Figures are the same whatever matplotlib was told before, and drawing leaves its settings as they were."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from theory_sim.figures import FIGURES
from theory_sim.figures.gallery.drawing import save
from theory_sim.testing.figures import as_drawn, check_picture


def _others() -> Iterator[tuple[str, Any]]:
    """For every setting that is a truth value or a number another value, and some that a matplotlibrc often has."""
    for key, value in matplotlib.rcParamsDefault.items():
        if not isinstance(value, int | float):
            continue
        other = not value if isinstance(value, bool) else 1.5 * value + 1
        try:
            matplotlib.RcParams({key: other})
        except (
            ValueError,
            RuntimeError,
            matplotlib.MatplotlibDeprecationWarning,
        ):  # out of the setting's range, or on its way out
            continue
        yield key, other
    yield from {
        "text.usetex": True,
        "savefig.bbox": "tight",
        "savefig.format": "svg",
        "font.family": ["serif"],
        "axes.prop_cycle": plt.cycler(color=["lime"]),
        "axes.facecolor": "yellow",
        "image.cmap": "jet",
        "pdf.fonttype": 3,
    }.items()


@pytest.mark.parametrize("name", ["data_model", "phase", "theorem_coarse"])
def test_settings_of_a_session_or_a_matplotlibrc_change_nothing(name: str, made, tmp_path: Path) -> None:
    table = made.computed[name]
    save(FIGURES[name], table, tmp_path / "plain")
    others = dict(_others())
    assert len(others) > 150
    with matplotlib.rc_context():
        matplotlib.rcParams.update(others)
        save(FIGURES[name], table, tmp_path / "other")
        check_picture(FIGURES[name], as_drawn(table))
    for suffix in ("csv", "pdf", "png"):
        file = f"{name}.{suffix}"
        assert (tmp_path / "other" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes(), file


def test_drawing_changes_no_setting_of_the_session(made, tmp_path: Path) -> None:
    with matplotlib.rc_context({"axes.grid": True, "font.size": 31.0}):
        before = dict(matplotlib.rcParams)
        FIGURES["data_model"].paint(made.tables["data_model"])
        save(FIGURES["data_model"], made.computed["data_model"], tmp_path)
        assert dict(matplotlib.rcParams) == before
    assert [to_rgb(code) for code in "rgb"] == [(1, 0, 0), (0, 0.5, 0), (0, 0, 1)], "seaborn redefines color codes"


def test_the_backend_of_a_notebook_does_not_end_the_program(tmp_path: Path) -> None:
    """A notebook exports a backend that the program's environment may lack; matplotlib then refuses to be imported."""
    environment = os.environ | {"MPLBACKEND": "module://a_backend_that_is_not_here"}
    command = [sys.executable, "-m", "theory_sim", "figures", "data_model", "--list"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "data_model" in done.stdout

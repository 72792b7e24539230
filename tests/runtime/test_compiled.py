"""Compiled loops where nothing can be written: a read-only installation, and a user without a home."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from numba import njit
from numba.core import config

import theory_sim
from theory_sim.runtime import compiled as door

NOBODY = 65534


def twice(x: float) -> float:
    return 2 * x


@pytest.fixture
def _no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba as it is where it finds no folder to keep compiled functions in, unless it is given one."""

    def refuse(*args: object, **options: object) -> object:
        if options.get("cache") and not config.CACHE_DIR:
            raise RuntimeError("cannot cache function 'twice': no locator available for file 'x.py'")
        return njit(*args, **options)

    monkeypatch.setattr(door, "njit", refuse)
    monkeypatch.setattr(config, "CACHE_DIR", "")


@pytest.mark.usefixtures("_no_folder")
def test_a_temporary_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path))
    assert door.compiled()(twice)(2.0) == 4.0
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi")), "what was compiled is kept"
    assert config.CACHE_DIR == ""


@pytest.mark.usefixtures("_no_folder")
@pytest.mark.parametrize("fault", ["none", "a file", "open to others"])
def test_without_one_it_is_compiled_each_time(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that others can write is not used: code is loaded from it."""
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path / "absent" if fault == "none" else tmp_path))
    place = tmp_path / f"theory-sim-compiled-{os.getuid()}"
    if fault == "a file":
        place.touch()
    elif fault == "open to others":
        place.mkdir()
        place.chmod(0o777)
    assert door.temporary_folder() is None
    assert door.compiled()(twice)(2.0) == 4.0
    assert not list(tmp_path.rglob("*.nbi"))


def test_it_is_the_only_door() -> None:
    """No other module takes anything from Numba."""
    package = Path(theory_sim.__file__).parent
    users = [path.name for path in package.rglob("*.py") if "import numba" in (text := path.read_text()) or "from numba" in text]
    assert users == ["compiled.py"]


@pytest.mark.skipif(
    os.name != "posix" or os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can run as another user"
)
def test_a_read_only_installation_without_a_home() -> None:
    """A whole run by a user who may write neither the package, nor a home, nor a cache."""
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o755)
    try:
        package, out = place / "theory_sim", place / "out"
        shutil.copytree(Path(theory_sim.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (out, out / "temporary"):
            folder.mkdir()
            os.chown(folder, NOBODY, NOBODY)
        (out / "tiny.yaml").write_text(
            "{replicas: 1, training: {steps: 2}, test: {samples: 5}, network: {neurons: 3}, transfer: {readouts: [sum_logits]}}"
        )
        env = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        env |= dict.fromkeys(("HOME", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"), "/proc/nowhere")
        env |= {"TMPDIR": str(out / "temporary"), "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
        nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable]
        look = [*nobody, "-c", "import theory_sim; print(theory_sim.__file__)"]
        seen = subprocess.run(look, cwd=out, env=env, capture_output=True, text=True, check=False)
        if seen.returncode:
            pytest.skip("another user cannot read this Python")
        assert seen.stdout.strip() == str(package / "__init__.py")
        command = [*nobody, "-m", "theory_sim", "simulate", "tiny.yaml", "--device=cpu"]
        done = subprocess.run(command, cwd=out, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert list(out.glob("results/*/*/manifest.json"))
        assert list((out / "temporary").rglob("*.nbi")), "what was compiled is kept for the next command"
        assert "cannot cache" not in done.stderr
    finally:
        shutil.rmtree(place)

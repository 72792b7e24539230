"""Where results come from: the version of the code that makes numbers, and the environment that it runs in."""

import functools
import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

import torch

_PACKAGE = Path(__file__).parent.parent
_MAKES_NUMBERS = ("config.py", "runtime", "labels", "data", "training", "runs")


@functools.cache
def code_version(modules: tuple[str, ...] = _MAKES_NUMBERS) -> str:
    """Package version and a digest of the modules that a run's numbers depend on; the simulator's by default."""
    return f"{package_version()}+{source_digest(*modules)}"


def source_digest(*names: str) -> str:
    """A digest of some modules and folders of the package."""
    state = hashlib.sha256()
    for name in names:
        path = _PACKAGE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            state.update(file.relative_to(_PACKAGE).as_posix().encode())
            state.update(file.read_bytes())
    return state.hexdigest()[:12]


def package_version() -> str:
    """Version of the installed package."""
    try:
        return metadata.version("theory-sim")
    except metadata.PackageNotFoundError:
        return "0.0.0"


def environment(device: torch.device) -> dict[str, str | int]:
    """Versions and hardware that a run was made with; nothing that names the machine or its user."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "theory_sim": code_version(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in ("torch", "numpy", "numba", "scipy", "xarray")},
        "system": platform.system(),
        "device": str(device),
        "device_name": name,
        "cores": os.cpu_count() or 1,
    }

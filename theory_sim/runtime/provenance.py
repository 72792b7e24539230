"""Where results come from: the version of the code that makes numbers, and the environment that it runs in."""

import functools
import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

import torch

PACKAGE = Path(__file__).parent.parent
RUN = (
    "config",
    "runtime",
    "labels",
    "data",
    "training",
    "runs",
    "theories/__init__.py",
    "theories/label_granularity/__init__.py",
    "theories/label_granularity/law.py",
    "theories/benign_overfitting/__init__.py",
    "theories/benign_overfitting/law.py",
    "theories/spurious_features/__init__.py",
    "theories/spurious_features/law.py",
)
"""The modules and packages that a run's numbers come from: all that it imports. What decides claims is not among them."""


@functools.cache
def code_version(parts: tuple[str, ...] = RUN) -> str:
    """Package version and a digest of the modules that numbers depend on; those of a run by default."""
    return f"{package_version()}+{files_digest(*parts)}"


def covered(file: Path, parts: tuple[str, ...] = RUN) -> bool:
    """Whether a module's file is part of a digest."""
    return any(file.resolve().is_relative_to((PACKAGE / part).resolve()) for part in parts)


def files_digest(*parts: str) -> str:
    """A digest of some modules and folders of the package."""
    state = hashlib.sha256()
    for part in parts:
        path = PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            state.update(file.relative_to(PACKAGE).as_posix().encode())
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

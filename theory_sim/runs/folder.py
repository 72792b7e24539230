"""The results folder of a run: where it is, what names it, and whether it is finished.

``<out>/<name>/<hash>/`` holds

* ``config.yaml`` — the resolved configuration;
* ``environment.json`` — versions, hardware, device, and the digests of a user's objects;
* ``log.jsonl`` — one line per recorded step;
* ``checkpoint.safetensors`` — the latest state; once finished, the trained weights;
* ``<network>.nc`` — the record of each network (`theory_sim.training.recording`), such as ``coarse.nc`` and ``fine.nc``;
* ``manifest.json`` — written last: the digests of all the others. Without it the run is not finished;
* ``evaluations/<hash>.nc`` — tests of the trained networks on other samples, where `evaluate_on` was asked for them.

The hash covers the kind of device, every module of the package that a run imports, the source of every object of a user that the
run uses, and the configuration without `claims` (bounds change no number) and without the paths of plugins.
"""

import hashlib
import json
import shutil
import uuid
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from theory_sim.config import Config
from theory_sim.labels.functions import LABEL_FUNCTIONS, kind_of
from theory_sim.runtime.contracts import ENGINES, READOUTS, SETUPS
from theory_sim.runtime.errors import BusyError, InputError, NotCachedWarning, expect, expect_utf8
from theory_sim.runtime.locks import locked
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.provenance import code_version
from theory_sim.runtime.registry import CORE, Registry
from theory_sim.runtime.sources import source_digest

NOT_HASHED = ("claims", "plugins")
"""Sections of a configuration that change no number, or whose objects are hashed by their source."""
NOT_CACHED = "-not-cached"
"""Ends the name of a folder whose run uses an object whose source cannot be read; each such run has a folder of its own."""

CELLS = "cells.json"
"""In the folder of a block of cells (`theory_sim.runs.cells`): their configurations, by their hash."""


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a whole run that may be loaded in place of a new one."""
    return (folder / "manifest.json").exists()


def blocks_folder(out: Path, name: str) -> Path:
    """The folder of all blocks of cells whose configurations have a name."""
    return out / f"{name}-cells"


def finished_cells(out: Path, name: str) -> dict[str, Path]:
    """The cells of all finished blocks of configurations of a name: the folder of the block of each, by the cell's hash."""
    folders = [path.parent for path in sorted(blocks_folder(out, name).glob("*/manifest.json"))]
    return {id_: folder for folder in folders if (folder / CELLS).exists() for id_ in read_cells(folder)}


def block_of(folder: Path) -> Path | None:
    """The finished block that holds a cell; None if there is none.

    Args:
        folder: of the cell, if it had been run alone; or below the block's folder, with the cell's hash.
    """
    folder = folder.absolute()
    if (folder.parent / CELLS).exists() and is_finished(folder.parent):
        return folder.parent if folder.name in read_cells(folder.parent) else None
    return finished_cells(folder.parent.parent, folder.parent.name).get(folder.name)


def read_cells(folder: Path) -> dict[str, Any]:
    """The configurations of a block's cells as plain values, by their hash.

    Raises:
        InputError: the file is damaged.
    """
    try:
        cells = json.loads((folder / CELLS).read_text(encoding="utf-8"))
    except ValueError:
        cells = None
    if not isinstance(cells, dict):
        raise InputError(f"{folder / CELLS} is damaged; delete the folder to run again")
    return cells


def results_folder(
    config: Config,
    out: str | Path = "results",
    device: torch.device | str = "cpu",
    record: Mapping[str, Callable[..., Any]] | None = None,
) -> Path:
    """Where the results of a configuration lie, run or not.

    Runs that are not cached have folders of their own (`own_folder`); of these it is the common part of their names.

    Raises:
        InputError: `out` is no folder to keep results in, or the place is taken by another configuration.
    """
    expect("results_folder", config, Config)
    expect("out", out, str, Path)
    out = Path(out)
    expect_utf8("out", out.absolute())  # netCDF4 writes no other paths
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, not a folder for results")
    if any((out / name).exists() for name in ("manifest.json", "checkpoint.safetensors", "config.yaml")):
        raise InputError(f"{out} is the results folder of one configuration, NAME/HASH; give --out the folder that holds NAME")
    kind = torch.device(device).type
    sources = user_sources(config, record)
    unreadable = None in sources.values()
    name = configuration_hash(config, {"device": kind} | ({"sources": sources} if sources else {}))
    folder = out / config.name / (name + NOT_CACHED * unreadable)
    if (folder / "config.yaml").exists():
        check_same(config, folder)
    elif folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise InputError(f"{folder} holds files, and not the config.yaml of a run: move them, or choose another --out")
    return folder


def own_folder(folder: Path) -> Path:
    """A new folder for a run that is not cached; those of such runs of the configuration that were killed are deleted."""
    base = folder.name.removesuffix(NOT_CACHED)
    for other in folder.parent.glob(f"{base}-*{NOT_CACHED}"):
        if (other / "config.yaml").exists() and not is_finished(other):  # without it a run may just begin
            with suppress(BusyError), locked(other, wait=False):
                shutil.rmtree(other)
    return folder.with_name(f"{base}-{uuid.uuid4().hex[:8]}{NOT_CACHED}")


def warn_not_cached(config: Config, record: Mapping[str, Callable[..., Any]] | None = None, stacklevel: int = 1) -> None:
    """Say which objects keep the results of a configuration from being used again; nothing happens where there is none.

    Warns:
        NotCachedWarning: the source of some cannot be read.
    """
    if hidden := [name for name, digest in user_sources(config, record).items() if digest is None]:
        message = f"the source of {', '.join(hidden)} cannot be read: results are computed anew each time"
        warnings.warn(message, NotCachedWarning, stacklevel=stacklevel + 1)


def used_objects(config: Config) -> list[tuple[Registry[Any], str]]:
    """The registered objects that a configuration's run uses besides its theory: the registry and name of each."""
    used: list[tuple[Registry[Any], str]] = [(LABEL_FUNCTIONS, kind_of(text)) for text in config.labels.values()]
    return [*used, *((READOUTS, name) for name in config.transfer.readouts), (ENGINES, config.training.engine)]


def user_sources(config: Config, record: Mapping[str, Callable[..., Any]] | None = None) -> dict[str, str | None]:
    """Digests of the objects of a user that a run uses, by contract and name; None: the source cannot be read."""
    named = {f"{registry.kind} {name}": registry.digest(name) for registry, name in used_objects(config)}
    setup = SETUPS.entry(config.theory)
    named |= {f"theory {config.theory}": CORE if setup.is_core else source_digest((setup.value.law, setup.value.parameters))}
    named |= {f"record {name}": source_digest(function) for name, function in (record or {}).items()}
    return {name: digest for name, digest in named.items() if digest != CORE}


def configuration_hash(config: Config, more: dict[str, Any] | None = None) -> str:
    """What tells a run from others: configuration without claims and plugins, code version, and whatever `more` there is."""
    return hash_of({"config": hashed(config), "code": code_version()} | (more or {}))


def evaluation_path(folder: Path, config: Config) -> Path:
    """Where `evaluate_on` keeps what it found about a run's networks, below the run's folder."""
    sources = user_sources(config)
    name = hash_of({"config": hashed(config)} | ({"sources": sources} if sources else {}))
    return folder / "evaluations" / f"{name}.nc"


def hash_of(values: dict[str, Any]) -> str:
    """Digest of values that JSON can say."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def hashed(config: Config) -> dict[str, Any]:
    """The part of a configuration that changes numbers; of plugins the objects that are used count, not their paths."""
    return config.model_dump(mode="json", exclude=set(NOT_HASHED))


def check_same(config: Config, folder: Path) -> Config:
    """The configuration, if the folder's is the same.

    Raises:
        InputError: it is another one.
    """
    # As values: the plugins that it names may be gone, or be another copy of the same ones.
    stored = {key: value for key, value in read_yaml(folder / "config.yaml").items() if key not in NOT_HASHED}
    if stored != hashed(config):
        raise InputError(f"{folder} holds the results of another configuration than its hash says; choose another --out")
    return config

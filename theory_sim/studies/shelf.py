"""The runs in a folder of results: which there are, what differs between them, and what each came to.

A run is read from its own files (`theory_sim.runs.folder`), as plain values: runs of other versions of the package are listed
too, although their settings may no longer be valid. The cells of sweeps that are stored together (`theory_sim.runs.cells`) are
runs too. Claims are decided by the present code; where a run cannot be loaded any
more, `StoredRun.claims` says why.
"""

import json
import re
import stat
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory_sim.config import LABEL_GRANULARITY, STORED, Config, stored_config
from theory_sim.runs.folder import CELLS, NOT_CACHED, block_of, is_finished, read_cells, user_sources
from theory_sim.runs.results import Cells, Results, load_cells, load_results
from theory_sim.runtime import plugins
from theory_sim.runtime.errors import InputError, PluginWarning, expect, nearest
from theory_sim.runtime.plain_yaml import parse_value, read_yaml
from theory_sim.runtime.provenance import code_version
from theory_sim.runtime.settings import beyond, checked, flat
from theory_sim.theories.claims import ClaimResult
from theory_sim.theories.theory import evaluate_claims

if TYPE_CHECKING:
    import pandas as pd

_WHAT = ("name", "id", "folder", "finished", "stale", "differs")
_CAME_TO = ("claims_held", "claims", "not_holding", "not_decided")
COLUMNS = (*_WHAT, *_CAME_TO, "code", "bytes", "modified")
"""What is said of each run."""
_HASH = re.compile(rf"[0-9a-f]{{16}}(-[0-9a-f]{{8}}{NOT_CACHED})?")


@dataclass(frozen=True)
class StoredRun:
    """A run on disk, finished or not.

    Attributes:
        folder: its results folder; of a cell of a block, the block's with the cell's hash below it.
        settings: its resolved configuration, by key: ``{"data.dim": 256, …}``.
        environment: what it was made with; empty where that cannot be read.
        together: number of cells that are stored together, in `files`; 1 for a run by itself.
    """

    folder: Path
    settings: dict[str, Any]
    environment: dict[str, Any]
    together: int = 1

    @property
    def in_block(self) -> bool:
        """Whether it is a cell of a block."""
        return self.together > 1

    @property
    def files(self) -> Path:
        """The folder that holds its files."""
        return self.folder.parent if self.in_block else self.folder

    @property
    def name(self) -> str:
        """The configuration's name."""
        return str(self.settings.get("name", self.folder.parent.name))

    @property
    def id(self) -> str:
        """The hash that names the folder."""
        return self.folder.name if self.in_block else self.folder.resolve().name

    @property
    def finished(self) -> bool:
        """Whether its manifest is there, which is written last."""
        return is_finished(self.files)

    @property
    def code(self) -> str:
        """The version of the code that made it."""
        return str(self.environment.get("theory_sim", "unknown"))

    @property
    def bytes(self) -> int:
        """Size of all files in its folder; of a cell of a block, its part of the block's."""
        return folder_bytes(self.files) // self.together

    @cached_property
    def modified(self) -> datetime:
        """When it was finished; of an unfinished run, when it was begun."""
        last = self.files / ("manifest.json" if self.finished else "environment.json")
        return datetime.fromtimestamp(last.stat().st_mtime, UTC)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The default settings of its theory, by key."""
        return _defaults(str(self.settings.get("theory", LABEL_GRANULARITY)))

    @property
    def differs(self) -> dict[str, Any]:
        """The settings that differ from the defaults of its theory; a setting that exists no more does too."""
        return beyond({key: value for key, value in self.settings.items() if key not in ("name", "plugins")}, self.defaults)

    @cached_property
    def stale(self) -> str | None:
        """Why the present code would not load this run but run its configuration again; None: it would load it."""
        if self.code != code_version():
            return "made by another version of the code"
        then = self.environment.get("sources", {})
        if not then:
            return None
        try:
            plugins.load(self.settings.get("plugins", []))
            now = user_sources(self._config())
        except InputError as error:
            return str(error)
        changed = [name for name, digest in then.items() if name in now and now[name] != digest]
        return f"the source of {', '.join(changed)} has changed or cannot be read" if changed else None

    def _config(self) -> Config:
        if self.in_block:
            return checked(Config, read_cells(self.files)[self.id], f"{self.files / CELLS}: ", STORED)
        return stored_config(self.folder / "config.yaml")

    @cached_property
    def claims(self) -> Sequence[ClaimResult] | str:
        """Its claims, decided by the present code; or why they cannot be."""
        if not self.finished:
            return "not finished"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PluginWarning)  # `stale` tells
            try:
                return evaluate_claims(_results(self.folder))
            except (InputError, OSError) as error:  # another process may delete it
                return str(error)

    @property
    def held(self) -> tuple[int, int] | None:
        """How many claims hold, and of how many; None where they cannot be decided."""
        return None if isinstance(self.claims, str) else (sum(claim.holds for claim in self.claims), len(self.claims))

    def as_dict(self) -> dict[str, Any]:
        """For JSON and tables."""
        decided: Iterable[ClaimResult] = () if isinstance(self.claims, str) else self.claims
        held, total = self.held or (None, None)
        return {
            "name": self.name,
            "id": self.id,
            "folder": str(self.folder),
            "finished": self.finished,
            "stale": self.stale,
            "differs": self.differs,
            "claims_held": held,
            "claims": total,
            "not_holding": [claim.id for claim in decided if not claim.holds],
            "not_decided": self.claims if isinstance(self.claims, str) else None,
            "code": self.code,
            "bytes": self.bytes,
            "modified": self.modified.isoformat(timespec="seconds"),
        }


def find_runs(folder: str | Path = "results", filters: Sequence[str] = (), stale: bool = False) -> list[StoredRun]:
    """The runs in a folder of results, the newest first.

    Args:
        folder: a folder of all results, or that of one name, or of one run.
        filters: ``key=value`` texts that a run's settings must meet, such as ``data.dim=256`` or ``name=small``.
        stale: only runs that the present code would not load.

    Raises:
        InputError: the folder is absent; or no run has a setting of a filter's key.
    """
    expect("folder", folder, str, Path)
    expect("filters", filters, list, tuple)
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder of results {folder}: name another one, or make a run, as by theory-sim verify")
    depths = ("", "*/", "*/*/")
    places = [path for depth in depths for path in folder.glob(f"{depth}config.yaml")]
    here = [run for place in places if (run := _read(place.parent)) is not None]
    # A link to a run is no other run, unless it leads out of the folder.
    found = list({run.folder.resolve(): run for run in sorted(here, key=lambda run: not _is_linked(run.folder, folder))}.values())
    blocks = [path for depth in depths for path in folder.glob(f"{depth}{CELLS}")]
    alone = {(run.name, run.id) for run in found}
    found += [run for block in blocks for run in cells_of(block.parent) if (run.name, run.id) not in alone]
    for text in filters:
        found = _filtered(found, text)
    if stale:
        found = [run for run in found if run.stale is not None]
    return sorted(found, key=lambda run: (run.modified, run.folder), reverse=True)


def find_run(named: str, folder: str | Path = "results") -> StoredRun:
    """One run.

    Args:
        named: its folder; or the beginning of its id, its name, or NAME/ID, in `folder`.
        folder: as `find_runs`.

    Raises:
        InputError: there is no such run, or there are several.
    """
    if (Path(named) / "config.yaml").is_file() and (run := _read(Path(named))) is not None:
        return run
    if (block := block_of(Path(named))) is not None:
        for run in cells_of(block):
            if run.id == Path(named).name:
                return run
        raise InputError(f"{block / 'environment.json'} is absent or damaged; delete the folder to run again")
    name, slash, id_ = named.strip("/").rpartition("/")
    found = [run for run in find_runs(folder) if (run.name, run.id) == (name, id_) or (not slash and _is_named(run, named))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"there is no run '{named}' in {folder}; theory-sim runs list shows those that there are")
    ids = ", ".join(run.id for run in found[:5]) + (", …" if len(found) > 5 else "")
    raise InputError(f"'{named}' names {len(found)} runs in {folder}: give the beginning of an id: {ids}")


def find_all(named: str, folder: str | Path = "results") -> list[StoredRun]:
    """The runs of a name: the one that `find_run` finds, or all cells of the block whose folder is named.

    Raises:
        InputError: as `find_run`.
    """
    block = Path(named)
    return cells_of(block) if (block / CELLS).is_file() else [find_run(named, folder)]


def list_runs(folder: str | Path = "results", filters: Sequence[str] = (), stale: bool = False) -> "pd.DataFrame":
    """The runs in a folder of results as a table, the newest first.

    Columns are those of ``theory-sim runs list --json``, and each setting that some run has not at its default.

    Args:
        folder: as `find_runs`.
        filters: as there.
        stale: as there.

    Raises:
        InputError: as there.
    """
    import pandas as pd

    found = find_runs(folder, filters, stale)
    rows = [run.as_dict() for run in found]
    keys = list(dict.fromkeys(key for row in rows for key in row["differs"]))
    columns = [column for column in COLUMNS if column != "differs"]
    settings = [{key: run.settings.get(key) for key in keys} for run in found]
    return pd.DataFrame([row | own for row, own in zip(rows, settings, strict=True)], columns=[*columns, *keys])


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; links are not followed. Other processes may delete some meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            total += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return total


def cells_of(block: Path) -> list[StoredRun]:
    """The cells of a block, as runs; none where its files cannot be read."""
    try:
        settings = {id_: flat(values) for id_, values in read_cells(block).items()}
        env = json.loads((block / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, AttributeError):
        return []
    runs = (StoredRun(block / id_, own, env, len(settings)) for id_, own in settings.items())
    return [run for run in runs if _if_there(run) is not None]


def _results(folder: Path) -> Results:
    if (block := block_of(folder)) is None:
        return load_results(folder)
    return _cells(block, (block / "manifest.json").stat().st_mtime_ns).results(folder.name)


@lru_cache(maxsize=1)
def _cells(block: Path, written: int) -> Cells:
    """A block, read once for all of its cells that follow each other in a list."""
    return load_cells(block)


def _read(folder: Path) -> StoredRun | None:
    """The run in a folder; None: it is no run's."""
    if not _HASH.fullmatch(folder.resolve().name):
        return None
    try:
        settings = flat(read_yaml(folder / "config.yaml"))
        env = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except (InputError, OSError, ValueError):
        return None
    if "theory" not in settings or not isinstance(env, dict) or not isinstance(env.get("sources", {}), dict):
        return None
    return _if_there(StoredRun(folder, settings, env))


def _if_there(run: StoredRun) -> StoredRun | None:
    """The run; None where another process has just deleted it."""
    try:
        _ = run.modified
    except OSError:
        return None
    return run


def _is_linked(path: Path, folder: Path) -> bool:
    """Whether a symbolic link is on the way from a folder to a path below it."""
    return any(part.is_symlink() for part in (path, *path.parents) if part != folder and part.is_relative_to(folder))


def _defaults(theory: str) -> dict[str, Any]:
    """The default settings of a theory; those of the package's where it is not known here."""
    try:
        default = Config(theory=theory)
    except (ValueError, InputError):
        default = Config()
    return flat(default.model_dump(mode="json"))


def _filtered(found: list[StoredRun], text: str) -> list[StoredRun]:
    key, equals, given = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise InputError(f"--filter {text}: expected key=value")
    known = {known for run in found for known in run.settings}
    if found and key not in known:
        near = nearest(key, known)
        raise InputError(f"--filter {text}: no run has a setting {key}" + (f"; did you mean {near}?" if near else ""))
    value = parse_value(given, f"--filter {text}")
    return [run for run in found if key in run.settings and run.settings[key] == value]


def _is_named(run: StoredRun, named: str) -> bool:
    return run.name == named or (len(named) >= 4 and run.id.startswith(named))

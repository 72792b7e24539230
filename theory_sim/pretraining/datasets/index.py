"""The index of a folder of images: a Parquet file, made once and later compared with the folder.

Every file is decoded once, JPEGs at an eighth of their size (which still reads all their data), so that damaged files are
known before training starts. Columns: ``path`` below the root, ``size`` and ``changed`` (nanoseconds) of the file, and ``fault``,
empty for a good image.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from theory_sim.pretraining.datasets.folders import FolderLayout, Listing, list_files
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.storage import write_atomically, write_text

Item = TypeVar("Item")
Result = TypeVar("Result")
State = tuple[int, int]


@dataclass(frozen=True)
class Index:
    """The good images of a folder.

    Attributes:
        root: the folder.
        leaves: paths of the leaf classes in the hierarchy.
        files: (path below `root`, place in `leaves`) of each good image, ordered by class and name.
        sizes: of these files, in bytes.
        damaged: files that are no image that can be read, and why.
        fault_list: where these are listed; absent without any.
    """

    root: Path
    leaves: list[tuple[str, ...]]
    files: list[tuple[str, int]]
    sizes: list[int]
    damaged: dict[str, str]
    fault_list: Path


def index_folder(
    layout: FolderLayout,
    root: Path,
    keep: Path,
    damaged_share: float = 0.001,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Index:
    """Read the index of a folder, or make it; files that are new or have changed are decoded again.

    Args:
        layout: how folder names become a hierarchy.
        root: the folder of images.
        keep: folder for the index and the list of damaged files.
        damaged_share: largest share of damaged files that is passed over.
        on_progress: called as files are read.

    Raises:
        InputError: the folder is absent or breaks the rules of the layout, too many files are damaged, or no image of a
            class is left.
    """
    listing = list_files(layout, root)
    name = f"{root.name}-{hashlib.sha256(f'{layout.name} {root.resolve()}'.encode()).hexdigest()[:12]}"
    table, fault_list = keep / f"{name}.parquet", keep / f"{name}.damaged.tsv"
    paths = [file for files in listing.files.values() for file in files]
    with ThreadPoolExecutor(_threads()) as pool:
        states = list(_in_order(pool, partial(_state, root), paths))
    known = _read(table)
    faults = {p: known[p][1] for p, state in zip(paths, states, strict=True) if p in known and known[p][0] == state}
    ahead = [path for path in paths if path not in faults]
    if ahead or len(known) != len(paths):
        with ThreadPoolExecutor(_threads()) as pool:
            for done, (path, fault) in enumerate(
                zip(ahead, _in_order(pool, partial(fault_of, root), ahead), strict=True), start=1
            ):
                faults[path] = fault
                if done % 100 == 0 or done == len(ahead):
                    on_progress(Progress("reading images", done, len(ahead)))
        _write(table, paths, states, faults)
    damaged = {path: faults[path] for path in paths if faults[path]}
    if damaged or listing.stray:
        lines = [*damaged.items(), *((path, "belongs to no class: it lies beside folders") for path in listing.stray)]
        write_text(fault_list, "".join(f"{path}\t{why}\n" for path, why in lines))
    else:
        fault_list.unlink(missing_ok=True)
    if len(damaged) > damaged_share * len(paths):
        raise InputError(
            f"{root}: {len(damaged)} of {len(paths)} files are damaged or no images, more than the share of"
            f" data.damaged_share = {damaged_share:g}; they are listed in {fault_list}"
        )
    sizes = {path: size for path, (size, _) in zip(paths, states, strict=True)}
    return _index(root, listing, sizes, damaged, fault_list)


def fault_of(root: Path, path: str) -> str:
    """What is wrong with an image file, in a few words; empty for a good one."""
    from PIL import Image, UnidentifiedImageError

    file = root / path
    try:
        if file.stat().st_size == 0:
            return "empty"
        with Image.open(file) as image:
            image.draft("L", (1, 1))
            image.load()
    except UnidentifiedImageError:
        return "no image"
    except Exception as error:  # each of Pillow's plug-ins has its own
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _index(root: Path, listing: Listing, sizes: dict[str, int], damaged: dict[str, str], fault_list: Path) -> Index:
    leaves = list(listing.files)
    files = []
    for place, leaf in enumerate(leaves):
        good = [path for path in listing.files[leaf] if path not in damaged]
        if not good:
            raise InputError(f"{root}: class {'/'.join(leaf)} has no image that can be read; see {fault_list}")
        files += [(path, place) for path in good]
    return Index(root, leaves, files, [sizes[path] for path, _ in files], damaged, fault_list)


def _state(root: Path, path: str) -> State:
    try:
        found = (root / path).stat()
    except OSError:  # such as a link to nothing: `fault_of` says what
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _read(table: Path) -> dict[str, tuple[State, str]]:
    """An index as written; nothing where there is none or it is damaged, for it can be made again."""
    import pyarrow
    import pyarrow.parquet

    try:
        columns = pyarrow.parquet.read_table(table).to_pydict()
        rows = zip(columns["path"], columns["size"], columns["changed"], columns["fault"], strict=True)
        return {path: ((size, changed), fault) for path, size, changed, fault in rows}
    except (OSError, KeyError, pyarrow.ArrowInvalid):
        return {}


def _write(table: Path, paths: list[str], states: list[State], faults: dict[str, str]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {
        "path": paths,
        "size": [size for size, _ in states],
        "changed": [changed for _, changed in states],
        "fault": [faults[path] for path in paths],
    }
    write_atomically(table, lambda part: pyarrow.parquet.write_table(pyarrow.table(columns), part))


def _in_order(pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: list[Item]) -> Iterator[Result]:
    """``map``, without a future for each of millions of items at once."""
    ahead: Iterable[Item] = iter(items)
    while chunk := list(islice(ahead, 10_000)):
        yield from pool.map(work, chunk)


def _threads() -> int:
    return min(32, 2 * (os.cpu_count() or 1))

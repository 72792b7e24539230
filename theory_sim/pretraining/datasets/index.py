"""The index of a folder of images: a Parquet file, made once and later compared with the folder.

Every file is decoded once, JPEGs at an eighth of their size (which still reads all their data), so that damaged files are
known before training starts. Columns: ``path`` below the root (bytes: not every file name is UTF-8), ``state`` (a file of the
same state is not read again), ``digest`` (XXH3-128) of the content, and ``fault``, empty for a good image.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from theory_sim.pretraining.datasets.folders import FolderLayout, Listing
from theory_sim.pretraining.loading.colours import ValueRange, to_rgb
from theory_sim.pretraining.loading.decoding import SHRUNK_FORMATS
from theory_sim.pretraining.loading.names import printable, reason_of
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import OnProgress, Progress, ignore
from theory_sim.runtime.storage import write_atomically, write_text

Item = TypeVar("Item")
Result = TypeVar("Result")
State = tuple[int, int, int, int]
"""Size, modification time and change time in nanoseconds, and inode, as Git compares them. Files can be exchanged with their
modification times, and folders with the change times of the files in them, but not with the inodes."""
Found = tuple[str, str]
"""Digest of a file's content, and what is wrong with it; empty for a good image."""


@dataclass(frozen=True)
class Index:
    """The good images of a folder.

    Attributes:
        root: the folder.
        leaves: paths of the leaf classes in the hierarchy.
        files: (path below `root`, place in `leaves`) of each good image, ordered by class and name.
        digests: of the content of these files.
        passed_over: number of images that are not used: damaged files, and images that belong to no class.
        fault_list: where these are listed, with files that are no images; absent without any.
    """

    root: Path
    leaves: list[tuple[str, ...]]
    files: list[tuple[str, int]]
    digests: list[str]
    passed_over: int
    fault_list: Path


def index_folder(
    listing: Listing,
    layout: FolderLayout,
    keep: Path,
    damaged_share: float = 0.001,
    on_progress: OnProgress = ignore,
    value_range: ValueRange | None = None,
) -> Index:
    """Read the index of a folder, or make it; files that are new or have changed are decoded again.

    Args:
        listing: the folder's files.
        layout: how folder names become a hierarchy.
        keep: folder for the index and the list of damaged files.
        damaged_share: largest share of images that are passed over: damaged ones, and those that belong to no class.
        on_progress: called as files are read.
        value_range: see `theory_sim.pretraining.datasets.Data.value_range`.

    Raises:
        InputError: too many files are damaged, or no image of a class is left.
    """
    root = listing.root
    identity = f"{layout.name} {root.resolve()}" + ("" if value_range is None else f" {value_range}")
    name = f"{root.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    table, fault_list = keep / f"{name}.parquet", keep / f"{name}.damaged.tsv"
    in_classes = [file for files in listing.files.values() for file in files]
    found = _look_at(root, [*in_classes, *listing.stray], table, value_range, on_progress)
    damaged = {path: found[path][1] for path in in_classes if found[path][1]}
    fault_list.unlink(missing_ok=True)
    if damaged or listing.stray:
        append_faults(fault_list, damaged | {path: found[path][1] or why for path, why in listing.stray.items()})
    stray = [path for path in listing.stray if found[path][1] not in NO_IMAGE]
    passed_over = len(damaged) + len(stray)
    if passed_over > damaged_share * (len(in_classes) + len(stray)):
        first = next(iter(damaged), None) or stray[0]
        why = found[first][1] or listing.stray[first]
        kinds = f"{len(damaged)} of {len(in_classes)} files are damaged or no images" if damaged else ""
        kinds += " and " * bool(damaged and stray) + (
            f"{len(stray)} image{'s belong' if len(stray) > 1 else ' belongs'} to no class" if stray else ""
        )
        raise InputError(
            f"{root}: {kinds}, more than the share of data.damaged_share = {damaged_share:g};"
            f" the first is {printable(first)}: {printable(why)}; they are listed in {fault_list}"
        )
    leaves = list(listing.files)
    files = [(path, place) for place, leaf in enumerate(leaves) for path in listing.files[leaf] if path not in damaged]
    if empty := sorted(set(range(len(leaves))) - {place for _, place in files}):
        raise InputError(f"{root}: class {'/'.join(leaves[empty[0]])} has no image that can be read; see {fault_list}")
    return Index(root, leaves, files, [found[path][0] for path, _ in files], passed_over, fault_list)


def append_faults(fault_list: Path, faults: Mapping[str, str]) -> None:
    """Add files that are passed over, and why, to their list."""
    before = fault_list.read_text(encoding="utf-8") if fault_list.exists() else ""
    write_text(fault_list, before + "".join(f"{printable(path)}\t{printable(why)}\n" for path, why in faults.items()))


NO_IMAGE = ("empty", "no image")
"""What `look_at` says of files that are no images at all."""


def look_at(root: Path, path: str, value_range: ValueRange | None = None) -> Found:
    """The digest of a file's content, and what is wrong with it as an image, in a few words; empty for a good one."""
    from PIL import Image, UnidentifiedImageError
    from xxhash import xxh3_128_hexdigest

    file, digest = root / path, ""
    try:
        if file.stat().st_size == 0:  # a named pipe too, which would be waited for
            return digest, NO_IMAGE[0]
        content = file.read_bytes()
        digest = xxh3_128_hexdigest(content)
        with Image.open(io.BytesIO(content)) as image:
            if image.format in SHRUNK_FORMATS:
                image.draft("L", (1, 1))
                image.load()
            else:
                to_rgb(image, value_range)
    except UnidentifiedImageError:
        return digest, NO_IMAGE[1]
    except Exception as error:  # each of Pillow's plug-ins has its own
        return digest, reason_of(error)
    return digest, ""


def _look_at(
    root: Path, paths: list[str], table: Path, value_range: ValueRange | None, on_progress: OnProgress
) -> dict[str, Found]:
    """What is known of files, by the index and, for those that are new or have changed, by reading them."""
    with ThreadPoolExecutor(_threads()) as pool:
        states = dict(zip(paths, _in_order(pool, partial(_state, root), paths), strict=True))
        known = _read(table)
        found = {path: known[path][1] for path, state in states.items() if path in known and known[path][0] == state}
        ahead = [path for path in paths if path not in found]
        looks = _in_order(pool, partial(look_at, root, value_range=value_range), ahead)
        # Each folder has a stage, and so a bar, of its own.
        stage = f"reading images of {printable(str(root))}"
        for done, (path, look) in enumerate(zip(ahead, looks, strict=True), start=1):
            found[path] = look
            if done % 100 == 0 or done == len(ahead):
                on_progress(Progress(stage, done, len(ahead)))
    if ahead or len(known) != len(paths):
        _write(table, states, found)
    return found


def _state(root: Path, path: str) -> State:
    try:
        found = (root / path).stat()
    except OSError:  # such as a link to nothing: `look_at` says what
        return 0, 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _read(table: Path) -> dict[str, tuple[State, Found]]:
    """An index as written; nothing where there is none or it is damaged, for it can be made again."""
    import pyarrow
    import pyarrow.parquet

    try:
        columns = pyarrow.parquet.read_table(table).to_pydict()
        rows = zip(*(columns[name] for name in ("path", "state", "digest", "fault")), strict=True)
        return {os.fsdecode(path): (tuple(state), (digest, fault)) for path, state, digest, fault in rows}
    except (OSError, KeyError, TypeError, pyarrow.ArrowInvalid):
        return {}


def _write(table: Path, states: dict[str, State], found: dict[str, Found]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {
        "path": pyarrow.array([os.fsencode(path) for path in states], pyarrow.large_binary()),
        "state": pyarrow.array(list(states.values()), pyarrow.list_(pyarrow.uint64())),
        "digest": [found[path][0] for path in states],
        "fault": [printable(found[path][1]) for path in states],
    }
    write_atomically(table, lambda part: pyarrow.parquet.write_table(pyarrow.table(columns), part))


def _in_order(pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: list[Item]) -> Iterator[Result]:
    """``map``, without a future for each of millions of items at once."""
    ahead: Iterable[Item] = iter(items)
    while chunk := list(islice(ahead, 10_000)):
        yield from pool.map(work, chunk)


def _threads() -> int:
    return min(32, 2 * (os.cpu_count() or 1))

"""The configurations that the package ships, by name: ``small``, ``theory_scale``, ``dimension/d128``.

They are in the package where it is installed, and beside it in a checkout. Wherever a command takes CONFIG, a name of one of them
is looked for if there is no file of that name.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from theory_sim.runtime.errors import InputError, nearest
from theory_sim.runtime.plain_yaml import read_yaml

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


@functools.cache
def shipped_configs() -> Mapping[str, Path]:
    """The files by name; those of studies are no configurations."""
    files = {path.relative_to(folder): path for folder in _FOLDERS for path in folder.rglob("*.yaml")}
    return {name.with_suffix("").as_posix(): path for name, path in sorted(files.items()) if name.parts[0] != "studies"}


def expect_kind(path: Path, wanted: str) -> None:
    """Refuse a file that is meant for another command, which the message names; a file that cannot be read is none.

    Args:
        path: a file that a command takes as its configuration.
        wanted: what the command takes: ``simulator``, ``images`` or ``study``.

    Raises:
        InputError: the file's keys are those of another kind.
    """
    try:
        keys = set(read_yaml(path))
    except InputError:  # the command says it better
        return
    for kind, (own, what, command) in _KINDS.items():
        if kind != wanted and keys & own and not keys & _KINDS[wanted][0]:
            raise InputError(f"{path} is {what}: theory-sim {command} {path}")


_KINDS = {
    "study": ({"question", "grids", "comparisons", "trends"}, "a study", "study"),
    "images": ({"pretraining", "model"}, "a configuration of the pipeline for real images", "pretrain"),
    "simulator": ({"tree", "hard", "network", "training", "theory"}, "a configuration of the simulator", "verify"),
}
"""Keys that only one kind of file has; what the kind is called; the command that takes it."""


def config_file(given: Path) -> Path:
    """The file that CONFIG means: a path; or, where there is none, a shipped configuration.

    Args:
        given: such as ``mine.yaml``, ``small`` or ``configs/small.yaml``.

    Raises:
        InputError: it has no suffix, so that it is a name, and there is none of this name.
    """
    shipped = shipped_configs()
    name = given.with_suffix("").relative_to("configs") if given.is_relative_to("configs") and given.suffix == ".yaml" else given
    if given.exists() or (given.suffix and name is given):
        return given
    if name.as_posix() in shipped:
        return shipped[name.as_posix()]
    if given.suffix or given.is_absolute():
        return given
    near = nearest(given.as_posix(), shipped, cutoff=0.5)
    hint = f"did you mean {near}?" if near else f"shipped are {', '.join(shipped)}"
    raise InputError(f"there is no file and no shipped configuration {given}; {hint}")

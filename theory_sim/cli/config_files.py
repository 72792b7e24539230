"""CONFIG, wherever a command takes it: a file, or the name of a shipped configuration if there is no file of that name."""

from pathlib import Path

from theory_sim.runtime.errors import InputError, nearest
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.shipped import shipped_configs


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

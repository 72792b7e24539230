"""The configurations that the package ships: in the package where it is installed, beside it in a checkout."""

import functools
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


@functools.cache
def shipped_configs() -> Mapping[str, Path]:
    """The files by name, ``small``, ``theory_scale``, ``dimension/d128``; those of studies are no configurations."""
    files = {path.relative_to(folder): path for folder in _FOLDERS for path in folder.rglob("*.yaml")}
    return {name.with_suffix("").as_posix(): path for name, path in sorted(files.items()) if name.parts[0] != "studies"}

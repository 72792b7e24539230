"""From files, overrides and values to a configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theory_sim.config.experiment import Config
from theory_sim.config.values import STORED
from theory_sim.runtime import plugins as user_plugins
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.settings import checked, load_settings


def stored_config(path: Path) -> Config:
    """A configuration that a run has stored: its values are complete and fit together, so that no plugin is needed.

    Raises:
        InputError: the file is absent or damaged.
    """
    return checked(Config, read_yaml(path), f"{path}: ", STORED)


def load_config(
    path: str | Path | None = None, overrides: Sequence[str] = (), plugins: Sequence[str] = (), **values: Any
) -> Config:
    """Read and check a configuration.

    Args:
        path: as `theory_sim.runtime.settings.load_settings`; plugins that the file names are looked for beside it.
        overrides: as there.
        plugins: further plugins, files looked for from the working directory.
        values: as there.

    Raises:
        InputError: as there; or a plugin cannot be imported.
    """
    expect("plugins", plugins, list, tuple)
    if path is not None:
        expect("path of a configuration", path, str, Path)
        if Path(path).suffix == ".py":
            raise InputError(f"{path}: a Python file is a plugin: load_config(plugins=[{str(path)!r}], theory='its theory')")
    return load_settings(Config, path, overrides, user_plugins.with_plugins(path, plugins), **values)

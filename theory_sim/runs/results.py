"""A finished run, read from its folder."""

import html
import json
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from torch import Tensor

from theory_sim.config import STORED, Config, stored_config
from theory_sim.runs.folder import CELLS, block_of, check_same, hashed, is_finished, read_cells, user_sources
from theory_sim.runtime import plugins
from theory_sim.runtime.errors import InputError, PluginWarning, expect
from theory_sim.runtime.settings import checked
from theory_sim.runtime.storage import digest, is_being_written, load_checkpoint
from theory_sim.training.network import Parameters, TwoLayerConvNet, placed
from theory_sim.training.nonlinearity import Nonlinearity

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Results:
    """A finished experiment. ``results.fine`` is short for ``results.records["fine"]``.

    Attributes:
        config: its configuration.
        folder: its results folder.
        records: the record of each network by its name; see `theory_sim.training.recording`.
        environment: versions, hardware and device that it was made with.
    """

    config: Config
    folder: Path
    records: dict[str, xr.Dataset] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> xr.Dataset:
        records = self.__dict__.get("records", {})
        if name in records:
            record: xr.Dataset = records[name]
            return record
        raise AttributeError(f"'Results' has no attribute or network '{name}'; its networks are {', '.join(records)}")

    def network(self, name: str, replica: int = 0) -> TwoLayerConvNet:
        """A trained network, as a `torch.nn.Module`; of the engine `lucky` the neurons that training moved.

        Raises:
            InputError: there is no such network or replica.
        """
        if name not in self.records:
            raise InputError(f"there is no network '{name}'; there are {', '.join(self.records) or 'none'}")
        if not 0 <= replica < self.config.replicas:
            raise InputError(f"there is no replica {replica}: the run has 0 to {self.config.replicas - 1}")
        tensors = self.tensors()
        own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        weight, bias, output = (own[key] for key in ("weight", "bias", "output"))
        # Of the record, so that a plugin's engine may be gone.
        nonlinearity = Nonlinearity(**json.loads(self.records[name].attrs.get("nonlinearity", "{}")))
        if "place" not in own:
            return TwoLayerConvNet.of(Parameters(weight, bias, output), replica, nonlinearity)
        here, heads = own["place"][:, 0] == replica, self.records[name].sizes["head"]
        return TwoLayerConvNet.of(placed(weight[here], bias[here], output[here], own["place"][here, 1], heads), 0)

    def tensors(self) -> dict[str, Tensor]:
        """The state of all networks at the end, ``<network>/weight`` and so on."""
        return load_checkpoint(self.folder / "checkpoint.safetensors")[0]

    def tidy(self, variable: str) -> "pd.DataFrame":
        """One variable of all networks as a table: a row per value, its coordinates as columns, and ``network`` first.

        Args:
            variable: of `records`, such as ``response``.

        Raises:
            InputError: no network has it.
        """
        import pandas as pd

        having = {name: data for name, data in self.records.items() if variable in data.data_vars}
        if not having:
            known = dict.fromkeys(str(name) for data in self.records.values() for name in data.data_vars)
            raise InputError(f"there is no variable '{variable}'; there are {', '.join(known) or 'none'}")
        tables = []
        for name, data in having.items():
            table = data[variable].to_dataframe().reset_index()
            table.insert(0, "network", name)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def errors(self) -> "pd.DataFrame":
        """Mean test error over replicas, a row per network and readout, a column per kind of sample."""
        table = self.tidy("test_error")
        return table.pivot_table("test_error", ["network", "test_readout"], "kind", sort=False)

    def __repr__(self) -> str:
        lines = [
            f"Results of '{self.config.name}', theory {self.config.theory}, {self.config.replicas} replicas, in {self.folder}"
        ]
        for name, data in self.records.items():
            errors = data.test_error.isel(test_readout=0).mean("replica")
            by_kind = ", ".join(f"{kind} error {float(errors.sel(kind=kind)):.4g}" for kind in data.kind.values)
            lines.append(f"  {name}: labels {data.attrs['labels']}, loss {float(data.final_loss.mean()):.4g}, {by_kind}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        first, *rest = repr(self).splitlines()
        items = "".join(f"<li>{html.escape(line.strip())}</li>" for line in rest)
        return f"<b>{html.escape(first)}</b><ul>{items}</ul>"


@dataclass(frozen=True, repr=False)
class CellResults(Results):
    """A finished cell of a block (`theory_sim.runs.cells`): `folder` is the block's, with the cell's hash below it."""

    def tensors(self) -> dict[str, Tensor]:
        """As `Results.tensors`."""
        tensors, values = load_checkpoint(self.folder.parent / "checkpoint.safetensors")
        own: dict[str, Tensor] = {}
        cell, each = values["cells"].index(self.folder.name), self.config.replicas
        for name in self.config.networks:
            place = values["networks"][name][cell]
            here = slice(place * each, (place + 1) * each)
            own |= {key: value[here] for key, value in tensors.items() if key.startswith(f"{name}/")}
        return own


def warn_changed(results: Results, stacklevel: int = 1) -> None:
    """Say which objects of plugins are not those that a run was made with; nothing happens where all are.

    Warns:
        PluginWarning: the source of some has changed.

    Raises:
        InputError: a plugin, or what it registered, is gone.
    """
    plugins.load(results.config.plugins)
    then, now = results.environment.get("sources", {}), user_sources(results.config)
    if changed := [name for name in then.keys() & now.keys() if None not in (then[name], now[name]) and then[name] != now[name]]:
        what = ", ".join(sorted(changed))
        message = f"{results.folder} was made with another version of {what}: what follows mixes both"
        warnings.warn(message, PluginWarning, stacklevel=stacklevel + 1)


def load_results(folder: str | Path, config: Config | None = None) -> Results:
    """Read a finished results folder; the plugins that the run used may be gone.

    Args:
        folder: the folder that holds ``manifest.json``; of a cell of a sweep, the folder that its tables name.
        config: what its configuration must be (its claims may differ); None takes what is stored.

    Raises:
        InputError: the run is not finished, a file is absent or damaged, or the configuration is another one.
    """
    expect("load_results", folder, str, Path)
    folder = Path(folder)
    if not is_finished(folder) and (block := block_of(folder)):
        cell = load_cells(block).results(folder.name)
        if config is not None and hashed(config) != hashed(cell.config):
            raise InputError(f"{folder} holds the results of another configuration than its hash says; choose another --out")
        return cell if config is None else replace(cell, config=config)
    _, env = _checked(folder)
    config = stored_config(folder / "config.yaml") if config is None else check_same(config, folder)
    records = {name: xr.load_dataset(folder / f"{name}.nc", engine="netcdf4") for name in config.networks}
    return Results(config, folder, records, env)


@dataclass(frozen=True)
class Cells:
    """Finished cells of a block.

    Attributes:
        folder: the block's folder.
        configs: the configuration of each cell, by its hash.
        failed: the reasons of cells whose training diverged, by their hash.
        records: of each network the cells that did not fail, their replicas one after the other.
        environment: as `Results.environment`.
    """

    folder: Path
    configs: dict[str, Config]
    failed: dict[str, str]
    records: dict[str, xr.Dataset]
    environment: dict[str, Any]

    def results(self, id_: str) -> Results:
        """The results of a cell, as those of its configuration run alone.

        Raises:
            InputError: there is no such cell, or it has failed.
        """
        if id_ not in self.configs:
            raise InputError(f"{self.folder} has no cell {id_}")
        if id_ in self.failed:
            raise InputError(f"{self.folder}: the cell {id_} has failed: {self.failed[id_]}")
        config, cell = self.configs[id_], self._places[id_]
        here = slice(cell * config.replicas, (cell + 1) * config.replicas)
        text = json.dumps(config.model_dump(mode="json"))
        records = {
            name: data.isel(replica=here).assign_attrs(config=text, alignment=self._alignments[name][cell])
            for name, data in self._counted.items()
        }
        return CellResults(config, self.folder / id_, records, self.environment)

    # What all cells share: a block may have thousands.

    @cached_property
    def _places(self) -> dict[str, int]:
        """The place of each cell among those that did not fail."""
        return {id_: place for place, id_ in enumerate(id_ for id_ in self.configs if id_ not in self.failed)}

    @cached_property
    def _counted(self) -> dict[str, xr.Dataset]:
        """The records, with the replicas of each cell counted from 0."""
        each = next(iter(self.configs.values())).replicas
        return {
            name: data.assign_coords(replica=("replica", np.tile(range(each), len(self._places)), data.replica.attrs))
            for name, data in self.records.items()
        }

    @cached_property
    def _alignments(self) -> dict[str, list[str]]:
        """The attribute ``alignment`` of each cell of each network."""
        return {name: [json.dumps(of) for of in json.loads(data.attrs["alignment"])] for name, data in self.records.items()}


def load_cells(folder: Path) -> Cells:
    """Read a finished block.

    Raises:
        InputError: it is not finished, or a file is absent or damaged.
    """
    manifest, env = _checked(folder)
    cells = {id_: checked(Config, values, f"{folder / CELLS}: ", STORED) for id_, values in read_cells(folder).items()}
    names = [name.removesuffix(".nc") for name in manifest["files"] if name.endswith(".nc")]
    records = {name: xr.load_dataset(folder / f"{name}.nc", engine="netcdf4") for name in names}
    return Cells(folder, cells, manifest["failed"], records, env)


def _checked(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and environment of a finished folder whose files are as they were written."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name, expected in manifest["files"].items():
            if is_being_written(folder / name):
                raise InputError(f"{folder / name} is open for writing elsewhere; close it there")
            if digest(folder / name) != expected:
                raise InputError(f"{folder / name} is not as it was written; delete the folder to run again")
        env = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no finished run: {Path(error.filename).name} is missing") from None
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / 'manifest.json'} is damaged; delete the folder to run again") from None
    return manifest, env

"""Tests of a finished run's networks on samples of another configuration, kept beside the run."""

import json
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from theory_sim.config import Config
from theory_sim.runs.folder import evaluation_path, user_sources
from theory_sim.runs.results import Results, warn_changed
from theory_sim.runs.run import testing, write_dataset
from theory_sim.runtime.devices import choose_device
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.locks import locked
from theory_sim.runtime.progress import OnProgress, shown_by_default
from theory_sim.runtime.storage import is_being_written, write_atomically
from theory_sim.runtime.threads import cores_share_blocks
from theory_sim.training.evaluation import MARGIN_QUANTILES, evaluate
from theory_sim.training.readouts import check_readouts
from theory_sim.training.records import SCHEMA, with_long_names
from theory_sim.training.trainer import Training


def evaluate_on(results: Results, config: Config, device: str = "auto", on_progress: OnProgress | None = None) -> xr.Dataset:
    """Test the networks of a finished run on samples of another configuration, or with other readouts; kept on disk.

    The test streams are those of the run: two settings are compared on the same random numbers.

    Args:
        results: the finished run.
        config: its laws of samples, `test` and `transfer` are used. The engine and its settings, replicas, seeds, theory, tree,
            labels, network, dimension, basis and precision must be the run's.
        device: see `theory_sim.runtime.devices.choose_device`.
        on_progress: called after every chunk of test samples; without it a notebook shows a bar.

    Returns:
        ``test_correct`` (model, replica, kind, test_sample, test_readout), ``test_class``, ``test_error`` and ``test_margin``,
        as in `theory_sim.training.recording`.

    Warns:
        PluginWarning: a plugin has changed since the run was made.
        WaitingWarning: another process tests these networks on the same samples; this one waits for it.

    Raises:
        InputError: a plugin of the run is gone; the device is absent; the networks do not fit the configuration, or files on
            disk are damaged.
    """
    expect("evaluate_on", results, Results)
    expect("evaluate_on", config, Config)
    if (of := _shape(config)) != (have := _shape(results.config)):
        key = next(key for key in of if of[key] != have[key])
        raise InputError(f"networks trained with {key} = {have[key]} cannot be tested with {key} = {of[key]}")
    warn_changed(results, stacklevel=2)
    on_progress = shown_by_default(on_progress)
    if None in user_sources(config).values():  # an object whose source cannot be read: it may have changed since
        return _evaluate(results, config, device, on_progress)
    path = evaluation_path(results.folder, config)
    if not path.exists():
        with locked(path.parent):
            if not path.exists():  # made by the process that this one waited for
                write_atomically(path, partial(write_dataset, _evaluate(results, config, device, on_progress)))
    try:
        return xr.load_dataset(path, engine="netcdf4")
    except (OSError, ValueError, KeyError):
        if is_being_written(path):
            raise InputError(f"{path} is open for writing elsewhere; close it there") from None
        raise InputError(f"{path} is damaged; delete it to test again") from None


def _evaluate(results: Results, config: Config, device: str, on_progress: OnProgress) -> xr.Dataset:
    chosen = choose_device(device)
    with torch.no_grad(), cores_share_blocks():
        training = Training(config, chosen)
        training.restore_networks(results.tensors())
        check_readouts(training)
        kinds = list(training.kinds)
        found = evaluate(training, testing(on_progress, len(kinds) * config.test.samples))
    names = ("correct", "margin", "coarse")
    correct, margin, coarse = (np.stack([getattr(of, name).numpy() for of in found.values()]) for name in names)
    arrays = {"test_correct": correct, "test_class": coarse, "test_error": 1 - correct.mean(3), "test_margin": margin}
    dataset = xr.Dataset(
        {
            name: (("model", *SCHEMA[name][0]), values, {"long_name": SCHEMA[name][1], "units": SCHEMA[name][2]})
            for name, values in arrays.items()
        },
        coords={
            "model": ("model", list(config.networks), {"long_name": "network"}),
            "replica": np.arange(config.replicas),
            "kind": kinds,
            "margin_quantile": list(MARGIN_QUANTILES),
            "test_readout": list(config.transfer.readouts),
        },
        attrs={"config": json.dumps(config.model_dump(mode="json"))},
    )
    return with_long_names(dataset)


def _shape(config: Config) -> dict[str, Any]:
    """All that networks must share to be each other's: engine, sizes, features, labels and seeds."""
    of_engine = {"training.engine": config.training.engine} | {f"engine.{key}": value for key, value in config.engine.items()}
    keys = {"data.dim": config.data.dim, "data.basis": config.data.basis, "training.dtype": config.training.dtype}
    shared = ("replicas", "seed", "seeds", "theory", "tree", "labels", "network")
    return of_engine | {key: getattr(config, key) for key in shared} | keys

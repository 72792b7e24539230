"""Devices as configurations and commands name them."""

import torch

from theory_sim.runtime.errors import InputError


def choose_device(device: str) -> torch.device:
    """``auto`` (CUDA where there is a usable device), ``cpu``, ``cuda`` or ``cuda:i``.

    Raises:
        InputError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = torch.device("meta")
    if chosen.type not in ("cpu", "cuda") or (chosen.type == "cpu" and chosen.index):
        raise InputError(f"unknown device '{device}': auto, cpu, cuda or cuda:i")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device '{device}' is not there: this machine has {torch.cuda.device_count()} usable CUDA devices")
    return chosen

"""Refuse what no memory holds, before hours are spent on finding out."""

import os

import torch

from theory_sim.errors import InputError


def total_memory(device: torch.device) -> int:
    """Bytes of the device, or of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_fits(needed: float, device: torch.device, what: str) -> None:
    """Raise an `InputError` that opens with `what` where `needed` bytes are more than the device has."""
    if needed > total_memory(device):
        raise InputError(f"{what} {needed / 1e9:.3g} GB of memory, more than the {total_memory(device) / 1e9:.3g} GB of {device}")

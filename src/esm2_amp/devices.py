"""Devices: where tensors are computed."""

import torch

from esm2_amp.errors import InputError
from esm2_amp.parameters.run import Device


def resolve_device(device: Device) -> torch.device:
    """The device of that name; `auto` takes the first of cuda, mps, cpu that this machine has.

    Raises
    ------
    InputError
        When the machine doesn't have it.
    """
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, is_there in has.items() if is_there]
    if device == "auto":
        return torch.device(present[0])
    if device not in present:
        raise InputError(f"device must be one that this machine has (auto, {', '.join(present)}), got '{device}'")
    return torch.device(device)

"""Number formats of matrix multiplications, chosen by what the processor has instructions for.

bfloat16 takes half the memory and, with instructions for it, a half to a fifth of float32's time. Without them it is
emulated, and takes many times as long.
"""

import logging
import time
from functools import cache
from typing import Final

import torch

from esm2_amp.devices import resolve_device
from esm2_amp.parameters.model_training import ModelParameters, with_values
from esm2_amp.parameters.run import Device, Precision, ResolvedPrecision, TrainingPrecision

logger = logging.getLogger(__name__)

_X86: Final = ("avx512_bf16", "amx_bf16")
_ARM: Final = ("bf16", "sve_bf16")
"""PyTorch's names of the instructions that multiply in bfloat16."""

_SIDE: Final = 512
_REPEATS: Final = 3
"""The matrices that are multiplied to measure, and how often: some milliseconds where nothing is emulated."""

_LEAST_GAIN: Final = 0.9
"""Of float32's time: above, bfloat16 isn't worth its digits."""


def resolve_precision(precision: Precision, device: torch.device) -> ResolvedPrecision:
    """The number format in which a device computes, said once in the log.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        `auto` is bfloat16 where the device has instructions for it, float32 elsewhere. A warning, once, names the
        factor by which bfloat16 is slower where it was asked for and is emulated.
    device : torch.device
        Where matrices are multiplied.

    Returns
    -------
    precision : {"float32", "bfloat16"}
        What results depend on: it stands with them in the feature store, in cards and in reports.
    """
    resolved: ResolvedPrecision = "float32"
    if precision == "bfloat16" or (precision == "auto" and has_bfloat16(device.type)):
        resolved = "bfloat16"
    if precision == "bfloat16" and not has_bfloat16(device.type):
        _warn_of_emulation(device.type)
    _announce(device.type, resolved)
    return resolved


def resolve_training_precision(precision: TrainingPrecision, device: torch.device) -> TrainingPrecision:
    """Lightning's name of the number format of a fit: `auto` is `bf16-mixed` or `32-true`, as `resolve_precision` says.

    Weights, their updates and the loss stay in float32 in either case.

    Parameters
    ----------
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}
        The setting.
    device : torch.device
        Where the network is fitted.
    """
    if precision == "16-mixed":
        return precision
    asked: dict[TrainingPrecision, Precision] = {"auto": "auto", "32-true": "float32", "bf16-mixed": "bfloat16"}
    return "bf16-mixed" if resolve_precision(asked[precision], device) == "bfloat16" else "32-true"


def with_training_precision(settings: ModelParameters, device: Device) -> ModelParameters:
    """Settings whose precision is that of a fit on this device, for the card and for all that must equal between fits.

    Raises
    ------
    InputError
        When the machine doesn't have the device.
    """
    precision = resolve_training_precision(settings.training.precision, resolve_device(device))
    return with_values(settings, {"precision": precision})


@cache
def has_bfloat16(device: str) -> bool:
    """Whether a type of device (`cpu`, `cuda`, `mps`) multiplies matrices of bfloat16 faster than those of float32.

    On x86 and CUDA the instructions tell. On Arm a processor may have them and a build of PyTorch not use them, and for
    MPS and other processors nobody tells: there products are measured, once.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))  # compute capability 8.0, or ROCm
    if device == "cpu":
        has = torch.cpu.get_capabilities()
        named = [name for name in (*_X86, *_ARM) if name in has]
        if named and not any(has[name] for name in named):
            return False
        if any(has.get(name, False) for name in _X86):
            return True
    return slowdown(device) < _LEAST_GAIN


@cache
def slowdown(device: str) -> float:
    """The time of a product of matrices in bfloat16 over that in float32, measured; infinity where there is none."""
    try:
        return _time_of_product(torch.bfloat16, device) / _time_of_product(torch.float32, device)
    except (RuntimeError, TypeError):  # MPS before macOS 14
        return float("inf")


def _time_of_product(dtype: torch.dtype, device: str) -> float:
    """Seconds of the fastest of a few products, after one that isn't counted."""
    matrix = torch.ones(_SIDE, _SIDE, dtype=dtype, device=device)
    times = []
    for _ in range(1 + _REPEATS):
        started = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        times.append(time.perf_counter() - started)
    return min(times[1:])


@cache
def _warn_of_emulation(device: str) -> None:
    logger.warning(
        "bfloat16 was asked for, but this %s has no instructions for it and emulates them: a product of matrices takes "
        "%.1f times as long as in float32; with precision auto it computes in float32",
        device,
        slowdown(device),
    )


@cache
def _announce(device: str, precision: ResolvedPrecision) -> None:
    count = torch.get_num_threads()
    threads = f", {count} thread{'s' if count > 1 else ''}" if device == "cpu" else ""
    logger.info("Computing on device %s%s, in %s", device, threads, precision)

"""Kernels that not every build of PyTorch has, each with a fallback."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

READ_FROM_TORCH = "2.13"
"""The version whose private operator `mkldnn._linear_pointwise` this is written for; a test names it too."""


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The linear map `x Wᵀ + b` by the fastest kernel that this build of PyTorch has.

    Parameters
    ----------
    x : Tensor, shape (N, inputs), float32 or bfloat16
        The vectors to map.
    weight : Tensor, shape (outputs, inputs), dtype of x
        W.
    bias : Tensor, shape (outputs,), dtype of x
        b.

    Returns
    -------
    y : Tensor, shape (N, outputs), dtype of x
        The mapped vectors.
    """
    if x.device.type == "cpu" and x.dtype == torch.float32 and (onednn := onednn_linear()):
        return onednn(x, weight, bias)
    return F.linear(x, weight, bias)


@cache
def onednn_linear() -> Callable[[Tensor, Tensor, Tensor], Tensor] | None:
    """`linear` in float32 by oneDNN, or None where this build of PyTorch has no operator that computes it so.

    F.linear in float32 calls MKL, which uses AVX-512 on Intel processors only; oneDNN uses it on all.
    """

    def multiply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return y

    one = torch.ones(1, 1)
    try:
        tried = multiply(one, one, one[0])
    except (AttributeError, RuntimeError, TypeError):
        return None
    return multiply if torch.equal(tried, one + 1) else None


def varlen_attention(device: torch.device, dtype: torch.dtype) -> Callable[..., Any] | None:
    """Attention over sequences of different lengths laid end to end, or None where PyTorch has no such kernel.

    It needs bfloat16 on CUDA and `torch.nn.attention.varlen`, which builds of PyTorch may lack.
    """
    if device.type != "cuda" or dtype != torch.bfloat16:
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn  # not in every build
    except ImportError:
        return None
    attention: Callable[..., Any] = varlen_attn
    return attention

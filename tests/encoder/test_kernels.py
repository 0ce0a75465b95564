import sys

import pytest
import torch
from torch.nn import functional as F

from esm2_amp.encoder import kernels

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def afresh():
    kernels.onednn_linear.cache_clear()
    yield
    kernels.onednn_linear.cache_clear()


def test_the_private_operator_is_that_of_the_version_it_was_read_from():
    if not torch.__version__.startswith(f"{kernels.READ_FROM_TORCH}."):
        pytest.skip(f"torch {torch.__version__}, and the operator was read from {kernels.READ_FROM_TORCH}")
    assert kernels.READ_FROM_TORCH == "2.13"
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build has no oneDNN")
    assert str(torch.ops.mkldnn._linear_pointwise.default._schema) == (
        "mkldnn::_linear_pointwise(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) "
        "-> Tensor Y"
    )


@pytest.mark.skipif(kernels.onednn_linear() is None, reason="this build has no such operator")
@pytest.mark.parametrize("shape", [(1, 3, 2), (70, 320, 1280), (0, 8, 4)])
def test_onednn_gives_what_f_linear_gives(shape):
    rows, inputs, outputs = shape
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(size, inputs, generator=generator) for size in (rows, outputs))
    bias = torch.randn(outputs, generator=generator)
    torch.testing.assert_close(kernels.onednn_linear()(x, weight, bias), F.linear(x, weight, bias), atol=1e-4, rtol=0)


def raise_runtime_error(*_: object) -> None:
    raise RuntimeError("no such operator")


@pytest.mark.parametrize("operator", [raise_runtime_error, lambda x: x, lambda x, *_: x])
@pytest.mark.usefixtures("afresh")
def test_an_operator_that_is_gone_or_another_is_not_used(monkeypatch, operator):
    other = type("Operators", (), {"_linear_pointwise": staticmethod(operator)})
    monkeypatch.setattr(torch.ops, "mkldnn", other)
    assert kernels.onednn_linear() is None
    x, weight, bias = torch.randn(5, 3), torch.randn(2, 3), torch.randn(2)
    assert torch.equal(kernels.linear(x, weight, bias), F.linear(x, weight, bias))


@pytest.mark.usefixtures("afresh")
def test_a_build_without_the_operator_multiplies_all_the_same(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert kernels.onednn_linear() is None


def test_attention_over_different_lengths_is_for_bfloat16_on_cuda():
    assert kernels.varlen_attention(CPU, torch.bfloat16) is None
    assert kernels.varlen_attention(CUDA, torch.float32) is None


def test_attention_over_different_lengths_is_left_where_pytorch_lacks_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", None)
    assert kernels.varlen_attention(CUDA, torch.bfloat16) is None

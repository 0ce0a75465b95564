"""The number format that `auto` is, by what the processor has instructions for, and what is said about it."""

import pytest
import torch

from esm2_amp import precision as precisions
from esm2_amp.precision import has_bfloat16, resolve_precision, resolve_training_precision, slowdown

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _afresh():
    def forget():
        for function in (has_bfloat16, slowdown, precisions._warn_of_emulation, precisions._announce):
            function.cache_clear()

    forget()
    yield
    forget()


def machine(monkeypatch, capabilities, factor=None):
    """A processor with these capabilities, on which a product in bfloat16 takes `factor` times as long."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    def time_of_product(dtype, device):
        if factor is None:
            raise AssertionError("nothing is to be measured")
        return factor if dtype == torch.bfloat16 else 1.0

    monkeypatch.setattr(precisions, "_time_of_product", time_of_product)


@pytest.mark.parametrize(
    ("capabilities", "factor", "expected"),
    [
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, None, "bfloat16"),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": True}, None, "bfloat16"),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, None, "float32"),
        ({"neon": True, "bf16": False}, None, "float32"),
        ({"neon": True, "bf16": True}, 0.4, "bfloat16"),
        ({"neon": True, "bf16": True}, 12.0, "float32"),  # a build of PyTorch that doesn't use the instructions
        ({"architecture": "riscv64"}, 0.5, "bfloat16"),
        ({"architecture": "riscv64"}, 1.0, "float32"),
    ],
)
def test_auto_is_what_the_instructions_allow_and_measured_where_they_do_not_tell(
    monkeypatch, capabilities, factor, expected
):
    machine(monkeypatch, capabilities, factor)
    assert resolve_precision("auto", CPU) == expected
    assert resolve_training_precision("auto", CPU) == {"bfloat16": "bf16-mixed", "float32": "32-true"}[expected]


@pytest.mark.parametrize(("major", "expected"), [(7, "float32"), (8, "bfloat16"), (9, "bfloat16")])
def test_auto_on_cuda_asks_for_compute_capability_8(monkeypatch, major, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or major >= 8)
    assert resolve_precision("auto", torch.device("cuda")) == expected


def test_a_device_without_bfloat16_computes_in_float32(monkeypatch):
    def none(dtype, device):
        raise TypeError("BFloat16 is not supported on MPS")

    monkeypatch.setattr(precisions, "_time_of_product", none)
    assert resolve_precision("auto", torch.device("mps")) == "float32"


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_an_explicit_precision_is_kept(monkeypatch, asked):
    for has in (False, True):
        machine(monkeypatch, {"avx512_bf16": has}, factor=3.0)
        assert resolve_precision(asked, CPU) == asked
    assert resolve_training_precision("16-mixed", CPU) == "16-mixed"


def test_emulation_that_was_asked_for_is_warned_of_once_with_its_factor(monkeypatch, caplog):
    machine(monkeypatch, {"avx512_bf16": False}, factor=12.3)
    for _ in range(3):
        resolve_precision("bfloat16", CPU)
        resolve_training_precision("bf16-mixed", CPU)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "this cpu has no instructions for it" in warnings[0]
    assert "12.3 times as long as in float32" in warnings[0]


def test_instructions_that_are_there_are_not_warned_of(monkeypatch, caplog):
    machine(monkeypatch, {"avx512_bf16": True})
    resolve_precision("bfloat16", CPU)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(("count", "threads"), [(1, "1 thread"), (2, "2 threads")])
def test_device_threads_and_precision_are_said_once(count, threads, monkeypatch, caplog):
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    machine(monkeypatch, {"avx512_bf16": False})
    with caplog.at_level("INFO"):
        for _ in range(3):
            resolve_precision("auto", CPU)
    assert caplog.messages == [f"Computing on device cpu, {threads}, in float32"]


def test_the_measured_factor_is_that_of_this_machine():
    assert 0 < slowdown("cpu") < 1000
    assert slowdown("a device that PyTorch doesn't know") == float("inf")

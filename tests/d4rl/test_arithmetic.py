"""How training computes, and that it leaves the process as it was."""

from __future__ import annotations

import pytest
import torch

from benchmarks.d4rl.training import arithmetic

TINY = 1e-40


@pytest.mark.parametrize(("precision", "expected"), [("fp32", "highest"), ("bf16", "medium")])
def test_denormals_count_as_zero_inside_and_nothing_is_left_behind(precision: str, expected: str) -> None:
    before = torch.get_float32_matmul_precision()
    tiny = torch.tensor([TINY])
    with arithmetic(precision):
        assert torch.get_float32_matmul_precision() == expected
        assert (tiny * 1.0).item() == 0.0
    assert torch.get_float32_matmul_precision() == before
    assert (tiny * 1.0).item() > 0.0


def test_an_error_restores_it_too() -> None:
    with pytest.raises(ZeroDivisionError), arithmetic("bf16"):
        raise ZeroDivisionError
    assert (torch.tensor([TINY]) * 1.0).item() > 0.0

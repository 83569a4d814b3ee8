"""Two maps of one size (specification, 1.3 and 2.4)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from benchmarks.base import RepriseError

Resized = Literal["student", "teacher"]


def matched(s: Tensor, t: Tensor, resize: Resized | None, where: str) -> tuple[Tensor, Tensor]:
    """Both maps at one size (N, C, H, W): `resize` names the one that is interpolated (bilinear, corners not aligned).

    s is phi(FS): the adapter comes first. Raises RepriseError, prefixed by `where`, for unequal channels, and for unequal sizes
    where resize is None.
    """
    if s.shape[1] != t.shape[1]:
        raise RepriseError(
            f"{where}: {s.shape[1]} student channels after the adapter, {t.shape[1]} teacher channels; "
            "build the level with the maps' own channel counts"
        )
    if s.shape[2:] == t.shape[2:]:
        return s, t
    if resize is None:
        raise RepriseError(
            f"{where}: the student's map is {s.shape[2]} x {s.shape[3]} (h x w), the teacher's {t.shape[2]} x {t.shape[3]}; "
            "level_match=index resizes one of them"
        )
    if resize == "student":
        return functional.interpolate(s, size=t.shape[2:], mode="bilinear", align_corners=False), t
    return s, functional.interpolate(t, size=s.shape[2:], mode="bilinear", align_corners=False)

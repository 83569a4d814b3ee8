"""Many tests at once: Holm's family-wise adjustment and the q values of Benjamini and Hochberg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values in the order given: the i-th smallest of m times m - i + 1, never falling, at most 1."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(value) for value in adjusted]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """q values in the order given."""
    return [float(value) for value in false_discovery_control(p)] if len(p) else []

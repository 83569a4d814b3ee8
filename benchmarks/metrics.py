"""Every metric that published figures are in, with its unit, direction and margin (statistics specification, section 3)."""

from __future__ import annotations

import math

from benchmarks.base import Metric
from benchmarks.coco.pairs import AP
from benchmarks.d4rl.scores import NORMALIZED_SCORE

PERCENT = (0.0, 100.0)
ABOVE_ZERO = (math.ulp(0.0), math.inf)


def _percent(name: str, margin: float) -> Metric:
    return Metric(name, "points", True, lambda published: margin, bounds=PERCENT)


def _printed(name: str) -> Metric:
    """Of several tasks together: 5 % of the printed value."""
    return Metric(name, "points", True, lambda published: 0.05 * abs(published))


def _cost(name: str, unit: str) -> Metric:
    """Without chance: 1 % of the printed value."""
    return Metric(name, unit, False, lambda published: 0.01 * abs(published), test="exact", bounds=ABOVE_ZERO)


def _time(name: str, unit: str) -> Metric:
    """Machines differ: judged only as a ratio, to 20 % of the printed one."""
    return Metric(name, unit, False, lambda published: 0.2 * abs(published), test="ratio", bounds=ABOVE_ZERO)


METRICS: dict[str, dict[str, Metric]] = {
    family: {metric.name: metric for metric in metrics}
    for family, metrics in {
        "offline_rl": [
            NORMALIZED_SCORE,
            _printed("normalized_score_sum"),
            _printed("normalized_score_average"),
            _time("train_seconds_per_100_steps", "seconds"),
        ],
        "distillation": [
            AP,
            *(_percent(name, 1.0) for name in ("AP50", "AP75", "APs", "APm", "APl")),
            _cost("parameters", "1"),
            _cost("gmacs", "GMAC"),
        ],
        "face_detection": [
            *(_percent(name, 1.0) for name in ("AP_easy", "AP_medium", "AP_hard", "AP", "TPR@1000FP")),
            _cost("params_M", "million"),
            _cost("gmacs_640", "GMAC"),
        ],
    }.items()
}
"""Family -> name among the claims -> metric."""

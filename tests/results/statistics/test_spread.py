"""Spreads, expected online performance and shares, against worked cases and counting."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from benchmarks.base import RepriseError
from results.statistics import Spread, convert_spread, expected_online_performance, sample_std, wilson_interval


def test_the_specifications_conversions() -> None:
    assert convert_spread(13.4581, "std0", "std1", 10) == pytest.approx(14.1861, abs=1e-4)
    assert convert_spread(4.0751, "std0", "std1", 10) == pytest.approx(4.2955, abs=1e-4)


def test_every_kind_of_spread_becomes_every_other() -> None:
    scores = [3.0, 5.0, 10.0, 4.0]
    kinds = {
        Spread.std0: float(np.std(scores)),
        Spread.std1: float(np.std(scores, ddof=1)),
        Spread.sem: float(np.std(scores, ddof=1)) / 2,
    }
    for kind, to in product(kinds, kinds):
        assert convert_spread(kinds[kind], kind, to, 4) == pytest.approx(kinds[to], rel=1e-12)
    assert sample_std(scores) == pytest.approx(kinds[Spread.std1])
    assert math.isnan(sample_std([3.0]))


def test_a_spread_that_does_not_say_what_it_is_is_not_converted() -> None:
    with pytest.raises(RepriseError, match="kind 'unknown' cannot be converted; the kinds are std0, std1, sem"):
        convert_spread(1.0, "unknown", "std1", 5)
    with pytest.raises(RepriseError, match="over 1 seed has no other form"):
        convert_spread(1.0, "std0", "std1", 1)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_expected_online_performance_is_the_mean_best_of_every_draw(k: int) -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    best = [max(drawn) for drawn in product(values, repeat=k)]
    assert expected_online_performance(values, k) == pytest.approx((np.mean(best), np.std(best)), abs=1e-12)


def test_expected_online_performance_tends_to_the_best() -> None:
    assert expected_online_performance([1.0, 2.0, 9.0], 200) == pytest.approx((9.0, 0.0), abs=1e-6)
    assert expected_online_performance([2.5], 3) == (2.5, 0.0)
    for values, k in (([], 1), ([1.0], 0)):
        with pytest.raises(RepriseError, match="both numbers must be 1 or more"):
            expected_online_performance(values, k)


@pytest.mark.parametrize(("events", "runs"), [(0, 5), (1, 5), (5, 5), (3, 10)])
def test_the_interval_of_a_share_is_wilsons(events: int, runs: int) -> None:
    z, share = 1.959963984540054, events / runs
    middle = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs)) / (1 + z * z / runs)
    assert wilson_interval(events, runs) == pytest.approx((middle - half, middle + half), abs=1e-9)


@pytest.mark.parametrize(("events", "runs"), [(0, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(events: int, runs: int) -> None:
    with pytest.raises(RepriseError, match="is no share"):
        wilson_interval(events, runs)

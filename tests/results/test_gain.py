"""Gains paired by seed, against SciPy's paired test and a worked case."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from results.gain import Gain, paired_gain

SCORES = st.integers(0, 800).map(lambda eighths: eighths / 8)
"""Exact in binary, so that equal differences are equal to the last digit."""


@given(st.lists(st.tuples(SCORES, SCORES), min_size=3, max_size=12))
def test_the_interval_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    ours, base = zip(*pairs, strict=True)
    gain = paired_gain(dict(enumerate(ours)), dict(enumerate(base)))
    assert gain is not None
    assert gain.interval is not None
    expected = stats.ttest_rel(ours, base).confidence_interval(0.95)
    if math.isnan(expected.low):  # SciPy has no interval where all differences are equal
        assert gain.interval == pytest.approx((gain.mean, gain.mean), abs=1e-9)
    else:
        assert gain.interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_a_worked_case() -> None:
    gain = paired_gain({0: 24.0, 1: 25.0, 2: 27.0}, {0: 22.0, 1: 22.0, 2: 23.0})
    assert gain is not None
    half = (
        4.302652729749464 * 1.0 / math.sqrt(3)
    )  # differences 2, 3, 4: deviation 1; t of 0.975 at 2 degrees of freedom
    assert (gain.mean, gain.n) == (3.0, 3)
    assert gain.interval == pytest.approx((3.0 - half, 3.0 + half), abs=1e-12)
    assert not gain.within_noise


def test_what_a_seed_does_to_both_is_no_noise() -> None:
    base = {0: 10.0, 1: 30.0, 2: 50.0}
    gain = paired_gain({seed: score + 1.0 for seed, score in base.items()}, base)
    assert gain == Gain(1.0, 3, (1.0, 1.0))
    assert not gain.within_noise


def test_noise_is_an_interval_that_contains_0() -> None:
    assert Gain(0.4, 3, (-0.1, 0.9)).within_noise
    assert Gain(0.4, 3, (0.0, 0.8)).within_noise
    assert not Gain(-0.4, 3, (-0.8, -0.1)).within_noise
    assert not Gain(0.4, 2, None).within_noise


def test_seeds_are_paired_by_number_and_not_by_place() -> None:
    gain = paired_gain({3: 5.0, 1: 2.0, 7: 9.0}, {1: 1.0, 3: 1.0, 2: 0.0})
    assert gain == Gain(2.5, 2, None)


def test_fewer_than_three_seeds_have_no_interval_and_no_seed_in_common_no_gain() -> None:
    assert paired_gain({0: 2.0}, {0: 1.0}) == Gain(1.0, 1, None)
    assert paired_gain({0: 2.0}, {1: 1.0}) is None
    assert paired_gain({}, {}) is None

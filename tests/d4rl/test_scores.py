"""Normalised scores (protocol, section 1)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl.scores import NORMALIZED_SCORE, normalized_score, normalized_spread, reference_scores, references


def test_reference_returns_are_zero_and_one_hundred() -> None:
    assert normalized_score("hopper", -20.272305) == pytest.approx(0.0)
    assert normalized_score("hopper", 3234.3) == pytest.approx(100.0)
    np.testing.assert_allclose(normalized_score("halfcheetah-medium-v2", np.array([-280.178953, 12135.0])), [0, 100])


def test_scores_are_not_clipped() -> None:
    assert normalized_score("walker2d", -100.0) < 0
    assert normalized_score("walker2d", 6000.0) > 100


def test_a_spread_is_scaled_and_not_shifted() -> None:
    assert normalized_spread("hopper", 325.4572305) == pytest.approx(10.0)
    returns = np.random.default_rng(0).normal(1000, 200, 50)
    assert normalized_spread("hopper", returns.std(ddof=1)) == pytest.approx(
        normalized_score("hopper", returns).std(ddof=1)
    )


def test_versions_share_their_references_and_147_sets_have_them() -> None:
    assert len(reference_scores()) == 147
    assert references("hopper-medium-v0") == references("hopper-expert-v2") == references("hopper")


@pytest.mark.parametrize(
    "name", ["ant-random-expert-v0", "carla-town-full-v0", "maze2d-eval-umaze-v1", "hoper-medium-v2"]
)
def test_a_set_without_references_is_an_error(name: str) -> None:
    with pytest.raises(RepriseError, match="unknown task with reference scores"):
        references(name)


def test_the_metric_goes_up_and_its_margin_lies_between_two_and_five() -> None:
    assert NORMALIZED_SCORE.higher_is_better
    assert [NORMALIZED_SCORE.margin(value) for value in (0.0, 30.0, -30.0, 120.0)] == [2.0, 3.0, 3.0, 5.0]

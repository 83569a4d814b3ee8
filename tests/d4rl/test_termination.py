"""Where imagined steps end, at the edges of every rule."""

from __future__ import annotations

import pytest
import torch

from benchmarks.base import RepriseError
from benchmarks.d4rl.models.termination import register_termination, termination


def hopper_observation(**changed: float) -> torch.Tensor:
    o = torch.zeros(11)
    o[0] = 1.2
    for name, value in changed.items():
        o[int(name[1:])] = value
    return o


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({}, False),
        ({"o0": 0.7}, True),
        ({"o0": 0.7001}, False),
        ({"o0": 1000.0}, False),
        ({"o1": 0.2}, True),
        ({"o1": -0.2}, True),
        ({"o1": 0.1999}, False),
        ({"o1": -0.1999}, False),
        ({"o5": 100.0}, True),
        ({"o5": 99.99}, False),
        ({"o5": -100.0}, True),
        ({"o5": -1000.0}, True),
        ({"o10": float("nan")}, True),
        ({"o0": float("inf")}, True),
        ({"o0": float("nan")}, True),
    ],
)
def test_hopper_rule_at_its_edges(changed, done):
    assert bool(termination("hopper")(hopper_observation(**changed))) is done


@pytest.mark.parametrize(
    ("height", "angle", "done"),
    [
        (1.2, 0.0, False),
        (0.8, 0.0, True),
        (0.8001, 0.0, False),
        (2.0, 0.0, True),
        (1.9999, 0.0, False),
        (1.2, 1.0, True),
        (1.2, -1.0, True),
        (1.2, 0.9999, False),
        (1.2, -0.9999, False),
    ],
)
def test_walker2d_rule_at_its_edges(height, angle, done):
    o = torch.full((17,), 1e9)
    o[0], o[1] = height, angle
    assert bool(termination("walker2d")(o)) is done


@pytest.mark.parametrize("environment", ["halfcheetah", "maze2d", "pen"])
def test_some_environments_never_end(environment):
    assert not termination(environment)(torch.full((3, 5, 17), 1e6)).any()


def test_rules_keep_leading_axes():
    assert termination("hopper")(torch.zeros(2, 7, 11)).shape == (2, 7)
    assert termination("halfcheetah")(torch.zeros(2, 7, 17)).shape == (2, 7)


def test_an_unknown_environment_is_refused_with_the_nearest_name():
    with pytest.raises(RepriseError, match=r"'hoper'; did you mean 'hopper'\?"):
        termination("hoper")


def test_a_rule_can_be_registered():
    register_termination("test-always", lambda o: torch.ones(o.shape[:-1], dtype=torch.bool))
    assert termination("test-always")(torch.zeros(4, 2)).all()

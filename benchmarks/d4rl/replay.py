"""Open-loop replay of recorded door demonstrations: how far the simulation follows what was recorded (protocol, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.base import Json
from benchmarks.d4rl.adroit import AdroitDoor
from benchmarks.d4rl.collect import Episode

TOLERANCES = (0.01, 0.1)


@dataclass(frozen=True)
class Replay:
    """One episode played again from its rebuilt first state, without feedback.

    `first_error` is the largest difference of the first observation; `agreed` counts, per tolerance, the leading observations
    (the first included) whose largest difference is within it; the returns are of the same steps, recorded and replayed.
    """

    first_error: float
    agreed: dict[float, int]
    steps: int
    recorded_return: float
    replayed_return: float


def open_loop(episodes: Sequence[Episode]) -> list[Replay]:
    """Replay episodes of the door, beyond the time limit where they are longer; a second per 3,000 steps or so."""
    env = AdroitDoor()
    try:
        return [_replay(env, episode) for episode in episodes]
    finally:
        env.close()


def _replay(env: AdroitDoor, episode: Episode) -> Replay:
    state = env.state_at(episode.observations[0].astype(np.float64))
    observation, _ = env.reset(seed=0, options={"initial_state_dict": state})
    seen, total = [observation], 0.0
    for action in episode.actions:
        observation, reward, *_ = env.step(action)
        seen.append(observation)
        total += reward
    errors = np.abs(np.stack(seen) - episode.observations).max(axis=1)
    agreed = {tolerance: int(np.argmax([*(errors > tolerance), True])) for tolerance in TOLERANCES}
    return Replay(float(errors[0]), agreed, len(episode), episode.total, total)


def as_json(replays: Sequence[Replay]) -> dict[str, Json]:
    """What a manifest says of replays: a value per episode under each name."""
    return {
        "first_error": [replay.first_error for replay in replays],
        **{f"agreed_within_{limit}": [replay.agreed[limit] for replay in replays] for limit in TOLERANCES},
        "observations": [replay.steps + 1 for replay in replays],
        "recorded_returns": [round(replay.recorded_return, 4) for replay in replays],
        "replayed_returns": [round(replay.replayed_return, 4) for replay in replays],
    }

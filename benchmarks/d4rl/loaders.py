"""The three next-observation rules: how rows of a stored set become transitions (protocol, section 3)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.base import RepriseError, unknown
from benchmarks.d4rl.environments import TIME_LIMIT

Array = np.ndarray

LOADERS = ("full", "d4rl", "kit")


def check(loader: str) -> str:
    """The name of a loader; raises RepriseError with the nearest one."""
    if loader not in LOADERS:
        raise unknown("loader", loader, LOADERS)
    return loader


def apply(loader: str, rows: Mapping[str, Array], name: str, time_limit: int = TIME_LIMIT) -> dict[str, Array]:
    """Transitions from stored rows: observations, actions, rewards, terminals and, where stored, next_observations, timeouts.

    | loader | s' | time-out rows | terminal rows | last row |
    |---|---|---|---|---|
    | `full` | stored | kept, done = 0 | kept | kept |
    | `d4rl` | observations[i + 1] | dropped | kept, s' belongs to the next episode | dropped |
    | `kit` | stored, else observations[i + 1] | dropped | kept; dropped where s' is not stored | dropped |

    `d4rl` is D4RL's `qlearning_dataset`, `kit` OfflineRL-Kit's. The last kept row of an episode whose end was dropped has
    `timeouts` set, so episode borders stay visible. Raises RepriseError where `full` finds no s'.
    """
    stored = "next_observations" in rows
    if check(loader) == "full" and not stored:
        raise RepriseError(f"{name}: no next_observations, which loader 'full' needs; use loader 'd4rl' or 'kit'")
    terminals = rows["terminals"].astype(bool)
    if "timeouts" in rows:
        timeouts = rows["timeouts"].astype(bool)
    else:
        timeouts = step_timeouts(terminals, time_limit, 0 if loader == "kit" and not stored else 1)
    if loader == "full":
        return {**rows, "terminals": terminals, "timeouts": timeouts & ~terminals}
    keep = ~timeouts
    keep[-1:] = False
    if loader == "kit" and not stored:
        keep &= ~terminals
    index = np.flatnonzero(keep)
    following = rows["next_observations"] if loader == "kit" and stored else rows["observations"][1:]
    return {
        "observations": rows["observations"][index],
        "actions": rows["actions"][index],
        "rewards": rows["rewards"][index],
        "next_observations": following[index],
        "terminals": terminals[index],
        "timeouts": _border(timeouts, terminals, index),
    }


def step_timeouts(terminals: Array, time_limit: int, after_terminal: int) -> Array:
    """Time-outs where a set stores none: rows whose step counter reaches `time_limit` - 1.

    The counter restarts at 0 after a time-out, and at `after_terminal` after a terminal: D4RL's at 1 [code], so that the next
    episode is cut one row early (reproduced here); OfflineRL-Kit's at 0 where it drops terminal rows.
    """
    timeouts = np.zeros(len(terminals), dtype=bool)
    ends = [*np.flatnonzero(terminals).tolist(), len(terminals)]
    start, counter = 0, 0
    for end in ends:
        limit = start + time_limit - 1 - counter
        while limit <= end and limit < len(terminals):
            timeouts[limit] = True
            start, counter = limit + 1, 0
            limit = start + time_limit - 1
        if start <= end:
            start, counter = end + 1, after_terminal
    return timeouts


def _border(timeouts: Array, terminals: Array, index: Array) -> Array:
    """Which kept rows (at `index`) are the last kept ones of an episode whose end was dropped by the rule."""
    ends = np.flatnonzero(timeouts | terminals)
    dropped = ~np.isin(ends, index)
    if len(ends) and ends[-1] == len(timeouts) - 1:
        dropped[-1] = timeouts[-1]  # a terminal there was dropped for being the last row
    episode = np.searchsorted(ends, index)
    last = np.ones(len(index), dtype=bool)
    last[:-1] = episode[1:] != episode[:-1]
    return last & np.append(dropped, False)[episode]

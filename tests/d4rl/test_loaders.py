"""The three next-observation rules against plain loops over rows."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl import loaders

Rows = dict[str, np.ndarray]


def make_rows(ends: list[tuple[int, str]], tail: int = 0, seed: int = 0) -> Rows:
    """Episodes of given lengths that end by `terminal` or `timeout`, and `tail` rows of an unfinished one."""
    rng, parts = np.random.default_rng(seed), []
    for length, end in [*ends, *([(tail, "cut")] if tail else [])]:
        states = rng.normal(size=(length + 1, 2)).astype(np.float32)
        last = np.arange(length) == length - 1
        parts.append((states[:-1], states[1:], last & (end == "terminal"), last & (end == "timeout")))
    observations, following, terminals, timeouts = (np.concatenate(column) for column in zip(*parts, strict=True))
    count = len(observations)
    return {
        "observations": observations,
        "actions": rng.uniform(-1, 1, (count, 1)).astype(np.float32),
        "rewards": rng.normal(size=count).astype(np.float32),
        "next_observations": following,
        "terminals": terminals,
        "timeouts": timeouts,
    }


def loop(rows: Rows, rule: str, limit: int) -> Rows:
    """D4RL's and OfflineRL-Kit's functions, row by row."""
    kept: dict[str, list] = {
        key: [] for key in ("observations", "actions", "rewards", "next_observations", "terminals")
    }
    counter = 0
    for i in range(len(rows["rewards"]) - 1):
        stored = rule == "kit" and "next_observations" in rows
        terminal = bool(rows["terminals"][i])
        final = rows["timeouts"][i] if "timeouts" in rows else counter == limit - 1
        if final:
            counter = 0
            continue
        if terminal:
            counter = 0
            if rule == "kit" and not stored:
                continue
        for key in ("observations", "actions", "rewards", "terminals"):
            kept[key].append(rows[key][i])
        kept["next_observations"].append(rows["next_observations"][i] if stored else rows["observations"][i + 1])
        counter += 1
    return {key: np.array(values) for key, values in kept.items()}


CASES = {
    "mixed": make_rows([(4, "terminal"), (10, "timeout"), (1, "terminal"), (10, "timeout"), (3, "terminal")], tail=5),
    "ends with a time-out": make_rows([(10, "timeout"), (10, "timeout")]),
    "ends with a terminal": make_rows([(7, "terminal"), (2, "terminal")]),
    "never ends": make_rows([], tail=6),
    "longer than two limits": make_rows([(25, "terminal"), (21, "terminal")], tail=23),
}


@pytest.mark.parametrize("rule", ["d4rl", "kit"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("without", [(), ("timeouts",), ("next_observations",), ("timeouts", "next_observations")])
def test_rules_agree_with_a_loop_over_rows(rule: str, case: str, without: tuple[str, ...]) -> None:
    rows = {key: array for key, array in CASES[case].items() if key not in without}
    ours, expected = loaders.apply(rule, rows, "set", time_limit=10), loop(rows, rule, 10)
    for key, array in expected.items():
        if len(array):
            np.testing.assert_array_equal(ours[key], array)
        assert len(ours[key]) == len(array)


def test_a_full_episode_gives_999_rows_under_d4rl_and_1000_under_full() -> None:
    rows = make_rows([(1000, "timeout"), (1000, "timeout"), (5, "terminal")])
    assert len(loaders.apply("full", rows, "set")["rewards"]) == 2005
    d4rl = loaders.apply("d4rl", rows, "set")
    assert np.flatnonzero(d4rl["timeouts"]).tolist() == [998, 1997]
    assert len(d4rl["rewards"]) == 2 * 999 + 4


def test_d4rl_gives_terminal_rows_the_next_episodes_first_state_and_kit_the_true_one() -> None:
    rows = make_rows([(3, "terminal"), (4, "terminal")])
    d4rl, kit = (loaders.apply(rule, rows, "set") for rule in ("d4rl", "kit"))
    assert d4rl["terminals"][2]
    assert kit["terminals"][2]
    np.testing.assert_array_equal(d4rl["next_observations"][2], rows["observations"][3])
    np.testing.assert_array_equal(kit["next_observations"][2], rows["next_observations"][2])
    assert not np.array_equal(rows["observations"][3], rows["next_observations"][2])


def test_full_keeps_every_row_and_marks_no_time_out_as_done() -> None:
    rows = CASES["mixed"]
    full = loaders.apply("full", rows, "set")
    for key in rows:
        np.testing.assert_array_equal(full[key], rows[key])
    assert not (full["terminals"] & full["timeouts"]).any()


@pytest.mark.parametrize("rule", loaders.LOADERS)
@pytest.mark.parametrize("case", CASES)
def test_episode_borders_stay_visible(rule: str, case: str) -> None:
    rows = CASES[case]
    episode = np.concatenate([[0], np.cumsum(rows["terminals"] | rows["timeouts"])[:-1]])
    number = {rows["rewards"][i].item(): episode[i] for i in range(len(episode))}
    loaded = loaders.apply(rule, rows, "set")
    ends = loaded["terminals"] | loaded["timeouts"]
    for i in range(len(ends) - 1):
        differs = number[loaded["rewards"][i].item()] != number[loaded["rewards"][i + 1].item()]
        assert bool(ends[i]) == differs


def test_full_without_next_observations_and_unknown_rules_are_errors() -> None:
    rows = {key: array for key, array in CASES["mixed"].items() if key != "next_observations"}
    with pytest.raises(RepriseError, match=r"my set: no next_observations.*'d4rl' or 'kit'"):
        loaders.apply("full", rows, "my set")
    with pytest.raises(RepriseError, match="unknown loader 'd4lr'; did you mean 'd4rl'"):
        loaders.apply("d4lr", rows, "my set")

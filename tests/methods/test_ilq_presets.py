"""ILQ's presets: the paper's tables, and that nothing of ours is on in them."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.resolution import resolve
from methods.ilq import ILQ

TABLE_4 = {
    "halfcheetah-random": (0.95, 2, 0, 5e-4, 3e-4),
    "halfcheetah-medium": (0.95, 1, 0, 5e-4, 3e-4),
    "halfcheetah-medium-replay": (0.95, 2, 0, 5e-4, 3e-4),
    "halfcheetah-medium-expert": (0.6, 1, 0, 5e-4, 3e-4),
    "hopper-random": (0.9, 1, 1, 3e-4, 1e-4),
    "hopper-medium": (0.95, -2, 2, 5e-4, 3e-4),
    "hopper-medium-replay": (0.8, -0.5, 1, 3e-4, 1e-4),
    "hopper-medium-expert": (0.4, -0.5, 0, 5e-4, 3e-4),
    "walker2d-random": (0.7, 1, 0, 5e-4, 3e-4),
    "walker2d-medium": (0.9, 0.5, 1, 5e-4, 3e-4),
    "walker2d-medium-replay": (0.9, 1, 2, 3e-4, 1e-4),
    "walker2d-medium-expert": (0.8, 1, 0, 5e-4, 3e-4),
}
OURS = (
    "ablation_keeps_delta",
    "actor_lr_after_warm",
    "behavior_ema_decay",
    "behavior_lr_schedule",
    "behavior_standardize_states",
    "dynamics_lr_schedule",
    "dynamics_standardize_targets",
    "limit_actions",
    "warm_steps",
)


@pytest.mark.parametrize("task", TABLE_4)
def test_the_paper_preset_has_the_values_of_the_tables(task):
    settings, training = resolve(ILQ, TrainingSettings, task, "paper", {}, "test")
    found = tuple(settings[name] for name in ("eta", "delta", "reward_penalty", "critic_lr", "actor_lr"))
    assert found == TABLE_4[task]
    assert settings["actor_hidden"] == settings["critic_hidden"] == [256, 256, 256]
    assert (settings["n_limit_actions"], settings["dynamics_epochs"], settings["behavior_train_steps"]) == (
        10,
        40,
        300_000,
    )
    assert (settings["use_entropy"], settings["lr_schedule"], settings["backup_entropy"]) == (True, "constant", False)
    assert (training["train_steps"], training["batch_size"], training["normalize_states"]) == (1_000_000, 256, True)
    defaults = ILQ.Settings()
    assert {name: settings[name] for name in OURS} == {name: getattr(defaults, name) for name in OURS}
    assert settings["limit_actions"] == "fresh"


def test_adroit_has_no_entropy_and_a_cosine_schedule():
    settings, _ = resolve(ILQ, TrainingSettings, "pen-human-v0", "paper", {}, "test")
    assert (settings["use_entropy"], settings["lr_schedule"], settings["eta"], settings["delta"]) == (
        False,
        "cosine",
        0.8,
        -1,
    )


def test_the_adroit_preset_has_what_the_paper_says_of_adroit_and_the_eta_and_delta_of_unlisted_tasks():
    pen, door = (
        resolve(ILQ, TrainingSettings, *of, {}, "test") for of in (("pen-human-v0", "paper"), ("door-human", "adroit"))
    )
    assert pen[1] == door[1]
    assert {name for name in pen[0] if pen[0][name] != door[0][name]} == {"eta", "delta"}
    assert (door[0]["eta"], door[0]["delta"]) == (0.9, 0)
    assert (door[0]["critic_lr"], door[0]["actor_lr"], door[0]["use_entropy"]) == (3e-4, 1e-4, False)


def test_a_task_without_a_row_has_no_paper_preset():
    with pytest.raises(RepriseError, match="no preset"):
        resolve(ILQ, TrainingSettings, "antmaze-umaze-v2", "paper", {}, "test")


def test_the_cached_preset_differs_from_the_paper_in_the_limit_actions_alone():
    paper, cached = (
        resolve(ILQ, TrainingSettings, "hopper-medium", name, {}, "test") for name in ("paper", "paper_cached")
    )
    assert paper[1] == cached[1]
    differing = {name for name in paper[0] if paper[0][name] != cached[0][name]}
    assert differing == {"limit_actions", "n_limit_actions"}


def test_the_small_preset_is_the_demo_recipe():
    settings, training = resolve(ILQ, TrainingSettings, "hopper-medium", "small", {}, "test")
    wanted = {
        "eta": 0.5,
        "delta": -2,
        "reward_penalty": 0,
        "n_limit_actions": 5,
        "limit_cache_size": 10,
        "warm_steps": 2_000,
    }
    wanted |= {"actor_hidden": [64, 64], "critic_lr": 3e-3, "actor_lr": 3e-3, "lr_schedule": "cosine", "discount": 0.97}
    assert {name: settings[name] for name in wanted} == wanted
    assert (training["train_steps"], training["batch_size"], training["normalize_states"]) == (10_000, 64, True)


def test_defaults_follow_the_advice_for_unlisted_tasks():
    defaults = {field.name: field.default for field in dataclasses.fields(ILQ.Settings)}
    assert (defaults["eta"], defaults["delta"]) == (0.9, 0.0)

"""Published hyperparameters as presets, read from `offline_rl_hyperparameters.csv`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from benchmarks.base import Json, RepriseError, unknown

PATH = Path(__file__).with_name("offline_rl_hyperparameters.csv")

Preset = Callable[[str], dict[str, Json]]

FIXED_FACTS: Mapping[str, str] = {
    "optimizer": "Adam",
    "n_critics": "2",
    "diffusion_schedule": "vp",
    "advantage_q": "target",
    "target_update_period": "1",
    "return_discount": "1",
    "max_trajectory_length": "1000",
}
"""Rows that state what the code always does, and so are no setting. A row with another value is kept, and refused as unknown.

Adam everywhere; two critics; IQL's advantage from the target critics; targets follow at every critic step; 10%BC ranks
trajectories by undiscounted return, and segmentation `corl` cuts them at 1,000 transitions.
"""

TRANSLATED: Mapping[tuple[str, str, str], Mapping[str, Json]] = {
    ("*", "alpha_lr", "actor_lr"): {"alpha_lr": None},
    ("*", "alpha_prime_lr", "critic_lr"): {"alpha_prime_lr": None},
    ("*", "target_entropy", "-action_dim"): {"target_entropy_per_dim": -1.0},
    ("*", "actor_dropout", "none"): {"actor_dropout": 0.0},
    ("*", "clip_dataset_actions", "none"): {"clip_dataset_actions": None},
    ("CQL", "critic_hidden", "256-256-256"): {
        "critic_hidden_width": 256,
        "critic_1_hidden_layers": 3,
        "critic_2_hidden_layers": 3,
    },
}
"""Rows (method or `*`, parameter, text) that become other names or values.

None as a rate stands for `as the rate that the table names`.
"""

DEMO_TRAINING: Mapping[str, Json] = {
    "train_steps": 10_000,
    "batch_size": 64,
    "eval_every": 2_500,
    "eval_episodes": 20,
    "normalize_states": True,
    "dataset_rows": 100_000,
}
"""The harness's part of every small-tier preset: this suite's demo recipe, no paper's."""

DEMO_ACTOR_CRITIC: Mapping[str, Json] = {
    **DEMO_TRAINING,
    "actor_hidden": (64, 64),
    "critic_hidden": (64, 64),
    "critic_lr": 3e-3,
    "actor_lr": 3e-3,
    "lr_schedule": "cosine",
    "discount": 0.97,
    "target_tau": 0.02,
    "warm_steps": 2_000,
    "actor_lr_after_warm": 0.1,
}
"""The small-tier recipe of methods with a SAC-type actor and a warm start."""

MINI_TRAINING: Mapping[str, Json] = {**DEMO_TRAINING, "train_steps": 20_000, "batch_size": 128}
"""The harness's part of every `mini` preset: twice the steps and the batch, for widths of 128 and the published discount."""

MINI_ACTOR_CRITIC: Mapping[str, Json] = {
    **DEMO_ACTOR_CRITIC,
    **MINI_TRAINING,
    "actor_hidden": (128, 128),
    "critic_hidden": (128, 128),
    "critic_lr": 1e-3,
    "actor_lr": 1e-3,
    "discount": 0.99,
    "warm_steps": 4_000,
    "alpha_init": 0.1,
}
"""The `mini` recipe of methods with a SAC-type actor and a warm start.

alpha_init: at 1 the entropy bonus outweighs what the critic knows when the warm start ends, and undoes the clone: MCQ on
halfcheetah-medium fell from 44 to 1, at 0.1 it stayed at 44 (one seed; the discount, 0.97 or 0.99, made no difference).
"""

MINI_MARGIN = -0.5
"""How far below the best behaviour value an unseen action is put (ILQ's delta, MCQ's limit_offset) at the published discount.

Such a margin shifts all values by (1 - eta)/eta * margin/(1 - gamma) (methods specification, 1.4): the small tier's -2 at 0.97 by
-67, at 0.99 by -200, which makes every step of Hopper worth less than nothing. On hopper-medium-replay, one seed, ILQ ended at 1
with -2, at 48 with -0.5 and at 33 with 0.
"""

DEMO_BEHAVIOR: Mapping[str, Json] = {
    "limit_cache_size": 10,
    "behavior_hidden": (128, 128),
    "behavior_train_steps": 10_000,
    "behavior_lr": 1e-3,
    "behavior_standardize_states": True,
    "behavior_lr_schedule": "cosine",
}
"""A behaviour model that trains in seconds, and how many of its actions are kept per state."""


def published(method: str, *variants: str, **added: Json) -> Preset:
    """A preset: task -> hyperparameters, those of the method and of the harness in one flat dict.

    Rows of later variants override those of earlier ones; `added` states what the specification knows and the table does not.
    Values are int, float (infinite too), bool, str, None or a tuple of widths (`256-256`). A task is found under its own name
    or under that name with the highest version (`hopper-medium`: `hopper-medium-v2`). Raises RepriseError for a method or
    variant that the table lacks (at once) and for a task without a row in a variant that differs between tasks (when called).
    """
    known = sorted({f"{row_method} {variant}" for row_method, variant in _table()})
    for variant in variants:
        if (method, variant) not in _table():
            raise unknown("method and variant", f"{method} {variant}", known, PATH.name)

    def preset(task: str) -> dict[str, Json]:
        values: dict[str, Json] = {}
        for variant in variants:
            values |= _resolved(method, variant, task)
        return values | added

    return preset


@cache
def _table() -> Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]]:
    """(method, variant) -> task or `*` -> parameter -> text."""
    table: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    with PATH.open(newline="") as file:
        for row in csv.DictReader(file):
            tasks = table.setdefault((row["method"], row["variant"]), {})
            tasks.setdefault(row["task"], {})[row["parameter"]] = row["value"]
    return table


def _resolved(method: str, variant: str, task: str) -> dict[str, Json]:
    tasks = _table()[method, variant]
    texts = dict(tasks.get("*", {}))
    if set(tasks) != {"*"}:
        texts |= tasks[_row_name(tasks, task, f"{method}, {variant}")]
    values: dict[str, Json] = {}
    for name, text in texts.items():
        if FIXED_FACTS.get(name) == text:
            continue
        plain = TRANSLATED.get(("*", name, text), {name: typed(text)})
        values |= TRANSLATED.get((method, name, text), plain)
    return values


def _row_name(tasks: Mapping[str, object], task: str, where: str) -> str:
    if task in tasks and task != "*":
        return task
    versions = [name for name in tasks if re.fullmatch(re.escape(task) + r"-v\d+", name)]
    if not versions:
        raise RepriseError(
            f"{PATH.name}: ({where}) has no row for task '{task}', so there is no preset; set its hyperparameters explicitly"
        )
    return max(versions, key=lambda name: int(name.rpartition("-v")[2]))


def typed(text: str) -> Json:
    """A value of the table as bool, int, float, tuple of widths, or else the text itself."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"\d+(-\d+)+", text):
        return tuple(int(width) for width in text.split("-"))
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text

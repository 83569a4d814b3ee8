"""Published presets: nothing of the table that changes numbers is lost on the way to a run."""

from __future__ import annotations

import csv
import dataclasses
import math

import pytest

from baselines.bc import BC
from baselines.cql import CQL
from baselines.iql import IQL
from baselines.td3_bc import TD3BC
from benchmarks.base import RepriseError
from benchmarks.d4rl.presets import FIXED_FACTS, PATH, TRANSLATED, published, typed
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.resolution import resolve

OF_METHOD = {
    ("IQL", "corl"): (IQL, "corl"),
    ("IQL", "official"): (IQL, "official"),
    ("CQL", "corl"): (CQL, "corl"),
    ("CQL", "official"): (CQL, "official"),
    ("TD3+BC", "corl"): (TD3BC, "published"),
    ("BC", "corl"): (BC, "corl"),
    ("10%BC", "corl"): (BC, "top10"),
}
METHODS = (BC, CQL, IQL, TD3BC)


def rows():
    with PATH.open(newline="") as file:
        return [row for row in csv.DictReader(file) if (row["method"], row["variant"]) in OF_METHOD]


@pytest.mark.parametrize("key", OF_METHOD, ids="-".join)
def test_every_row_of_the_table_is_a_setting_a_harness_field_or_a_fixed_fact(key):
    method, preset = OF_METHOD[key]
    known = {field.name for kind in (method.Settings, TrainingSettings) for field in dataclasses.fields(kind)}
    seen = 0
    for row in rows():
        if (row["method"], row["variant"]) != key:
            continue
        name, text = row["parameter"], row["value"]
        seen += 1
        if FIXED_FACTS.get(name) == text:
            continue
        wanted = TRANSLATED.get((row["method"], name, text)) or TRANSLATED.get(("*", name, text)) or {name: typed(text)}
        assert set(wanted) <= known, f"{name} = {text} has no place"
        if row["task"] != "*":
            given = method.presets[preset](row["task"])
            assert {n: given[n] for n in wanted} == wanted, f"{row['task']}: {name}"
        else:
            assert wanted.items() <= method.presets[preset]("hopper-medium").items()
    assert seen > 5


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_preset_resolves_for_the_harness(method):
    for preset in method.presets:
        settings, training = resolve(method, TrainingSettings, "hopper-medium-expert", preset, {}, "here")
        assert set(settings) == {field.name for field in dataclasses.fields(method.Settings)}
        batches = {"small": 64, "warm-start": 64, "mini": 128, "mini-warm-start": 128}
        assert training["batch_size"] == batches.get(preset, 256)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_unknown_settings_and_values_are_refused(method):
    with pytest.raises(RepriseError, match="unknown setting"):
        resolve(method, TrainingSettings, "hopper-medium", None, {"discuont": 0.9}, "here")
    with pytest.raises(RepriseError, match="unknown preset"):
        resolve(method, TrainingSettings, "hopper-medium", "corll", {}, "here")
    choice = {"bc": "lr_schedule", "td3_bc": "lr_schedule", "iql": "init", "cql": "update_schedule"}[method.name]
    with pytest.raises(RepriseError, match=choice):
        resolve(method, TrainingSettings, "hopper-medium", None, {choice: "whatever"}, "here")


def test_a_task_is_found_with_its_highest_version():
    assert published("IQL", "corl")("hopper-medium-expert")["beta"] == 6
    assert published("CQL", "official")("hopper-medium") == published("CQL", "official")("hopper-medium-v0")


def test_a_task_without_a_row_has_no_preset():
    with pytest.raises(RepriseError, match="no row for task 'ant-medium'"):
        published("IQL", "corl")("ant-medium")


def test_a_method_or_variant_without_rows_is_named_at_once():
    with pytest.raises(RepriseError, match="IQL corl"):
        published("IQL", "croll")


def test_a_variant_that_is_equal_for_all_tasks_needs_no_row():
    assert published("ILQ", "suite_default")("anything")["backup_entropy"] is False


def test_later_variants_and_added_values_win():
    values = published("ILQ", "paper", "suite_default", train_steps=5)("hopper-medium")
    assert (values["train_steps"], values["delta"], values["dynamics_ensemble"]) == (5, -2, 7)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("256-256", (256, 256)),
        ("-1", -1),
        ("3e-05", 3e-5),
        ("-inf", -math.inf),
        ("v,q,actor", "v,q,actor"),
        ("affine:10:-5", "affine:10:-5"),
    ],
)
def test_values_are_typed(text, value):
    assert typed(text) == value
    assert type(typed(text)) is type(value)


def test_what_is_ours_is_off_in_published_presets():
    for preset in ("corl", "official"):
        cql = resolve(CQL, TrainingSettings, "hopper-medium", preset, {}, "here")[0]
        assert (cql["warm_steps"], cql["actor_lr_after_warm"], cql["lr_schedule"]) == (0, 1.0, "constant")
        iql = resolve(IQL, TrainingSettings, "hopper-medium", preset, {}, "here")[0]
        assert (iql["actor_lr_schedule"], iql["critic_lr_schedule"]) == ("cosine_to_0", "constant")
    assert resolve(TD3BC, TrainingSettings, "hopper-medium", "published", {}, "here")[0]["lr_schedule"] == "constant"
    assert resolve(BC, TrainingSettings, "hopper-medium", "corl", {}, "here")[0]["lr_schedule"] == "constant"


def test_what_may_be_stacked_are_numbers():
    for method in METHODS:
        fields = {field.name: field.type for field in dataclasses.fields(method.Settings)}
        assert {fields[name] for name in method.stackable} <= {"float", "float | None"}

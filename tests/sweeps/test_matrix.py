"""Expansion of sweeps, run keys that depend on content alone, narrowing, and packing into trials."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.base import RepriseError, canonical_json, content_key
from sweeps.matrix import Campaign, narrow
from sweeps.packing import costliest_first, pack
from sweeps.schema import load_sweep

SWEEP = """\
name: grid
family: toy
tier: demo
tasks: [toy-a, toy-b]
seeds: 3
methods:
  - other
  - {method: toy, grid: {gain: [2, 3], width: [8, 16]}}
stack: [seed]
"""


def matrix_of(write, text, **changes):
    sweep, document = load_sweep(str(write(text)))
    return Campaign(narrow(sweep, **changes), document).matrix()


def keys(matrix):
    return {cell.run.key for cell in matrix.cells}


def trials(matrix):
    return pack(matrix.cells, matrix.sweep.stack, matrix.benchmark)


def test_matrix_is_the_product_of_tasks_methods_grid_and_seeds(write):
    matrix = matrix_of(write, SWEEP)
    found = {(c.run.task, c.run.method, c.run.settings["gain"], c.run.settings["width"], c.seed) for c in matrix.cells}
    toys = itertools.product(["toy-a", "toy-b"], ["toy"], [2, 3], [8, 16], range(3))
    others = itertools.product(["toy-a", "toy-b"], ["other"], [10.0], [8], range(3))
    assert found == {*toys, *others}
    assert len(matrix.cells) == len(keys(matrix)) == 30


def test_labels_say_where_a_run_comes_from(write):
    matrix = matrix_of(write, SWEEP)
    labels = matrix.cells[-1].run.labels
    assert labels["variant"] == "toy[gain=3, width=16]"
    assert labels["label"] == "Toy (gain=3, width=16)"
    assert (labels["tier"], labels["sweep"], labels["preset"]) == ("demo", "grid", "plain")
    assert (labels["environment"], labels["reconstruction"]) == ("toy v1", "false")
    assert matrix.cells[0].run.labels["preset"] == "strong"  # the tier's preset for this method


def test_later_words_win_from_preset_to_entry(write):
    text = SWEEP.replace("stack: [seed]", "training: {steps: 7}")
    assert matrix_of(write, text).cells[0].run.training["steps"] == 7  # preset 5, tier 4, sweep 7
    entry = text.replace("- other", "- {method: other, training: {steps: 9}, settings: {width: 4}}")
    run = matrix_of(write, entry).cells[0].run
    assert (run.training["steps"], run.settings["width"], run.settings["gain"]) == (9, 4, 10.0)


@pytest.mark.parametrize("stack", ["[]", "[seed]", "[seed, gain]", "[gain]"])
def test_keys_do_not_depend_on_packing(write, stack):
    assert keys(matrix_of(write, SWEEP.replace("[seed]", stack))) == keys(matrix_of(write, SWEEP))


def test_keys_do_not_depend_on_names(write):
    renamed = SWEEP.replace("name: grid", "name: another").replace("{method: toy,", "{method: toy, as: x, label: y,")
    without_tier = renamed.replace("tier: demo\n", "").replace("- other", "- {method: other, preset: strong}")
    assert keys(matrix_of(write, renamed)) == keys(matrix_of(write, SWEEP))
    assert keys(matrix_of(write, without_tier + "training: {steps: 4}\n")) == keys(matrix_of(write, SWEEP))


def test_another_tier_has_other_keys(write):
    assert keys(matrix_of(write, SWEEP, tier="smoke")).isdisjoint(keys(matrix_of(write, SWEEP)))


@pytest.mark.parametrize(
    ("stack", "sizes"),
    [("[]", [1] * 30), ("[seed]", [3] * 10), ("[seed, gain]", [3] * 2 + [6] * 4), ("[gain]", [1] * 6 + [2] * 12)],
)
def test_stack_packs_runs_that_differ_in_its_axes_alone(write, stack, sizes):
    packed = trials(matrix_of(write, SWEEP.replace("[seed]", stack)))
    assert sorted(len(trial.runs) for trial in packed) == sizes
    for trial in packed:
        assert len({(run.task, run.method, run.settings["width"]) for run in trial.runs}) == 1


def test_trial_key_does_not_depend_on_the_order_of_its_runs(write):
    cells = matrix_of(write, SWEEP).cells
    (one,), (other,) = (pack(order, ["seed"], matrix_of(write, SWEEP).benchmark) for order in (cells[:3], cells[2::-1]))
    assert one.key == other.key
    assert [run.seed for run in one.runs] != [run.seed for run in other.runs]


def test_narrowing_changes_tier_seeds_tasks_and_methods(write):
    matrix = matrix_of(write, SWEEP, tier="smoke", seeds=[5], tasks=["toy-b"], methods=["other"])
    (cell,) = matrix.cells
    assert (cell.run.task, cell.run.method, cell.seed, cell.run.training["steps"]) == ("toy-b", "other", 5, 2)


def test_a_name_picks_its_own_variant_before_other_variants_of_the_method(write):
    text = SWEEP.replace("  - other\n", "  - other\n  - {method: other, settings: {gain: 9}, as: strong-other}\n")
    variants = {cell.resolved.variant for cell in matrix_of(write, text, methods=["other"]).cells}
    assert variants == {"other"}
    both = {cell.resolved.variant for cell in matrix_of(write, text, methods=["other", "strong-other"]).cells}
    assert both == {"other", "strong-other"}


def test_narrowing_to_unknown_names_gives_the_nearest(write):
    with pytest.raises(RepriseError, match=r"--methods: unknown method 'othr'; did you mean 'other'"):
        matrix_of(write, SWEEP, methods=["othr"])
    with pytest.raises(RepriseError, match=r"unknown task 'toy-aa'; did you mean 'toy-a'"):
        matrix_of(write, SWEEP, tasks=["toy-aa"])
    with pytest.raises(RepriseError, match=r"--seeds: 1 is listed twice"):
        matrix_of(write, SWEEP, seeds=[1, 1])


def test_a_method_outside_the_sweep_can_be_asked_for(write):
    text = SWEEP.replace("  - other\n", "")
    assert {cell.run.method for cell in matrix_of(write, text, methods=["other"]).cells} == {"other"}


def test_dataset_that_does_not_exist_has_no_keys_yet(write):
    matrix = matrix_of(write, SWEEP, tasks=["toy-built"])
    (reference,) = matrix.datasets()
    assert reference.hash is None
    with pytest.raises(RepriseError, match="dataset toy-built-data does not exist"):
        _ = matrix.cells[0].run.key
    reference.artifact.ensure()
    assert len(keys(matrix_of(write, SWEEP, tasks=["toy-built"]))) == 15


def test_long_trials_go_first(write):
    text = SWEEP.replace("grid: {gain: [2, 3], width: [8, 16]}", "training: {steps: 50}")
    matrix = matrix_of(write, text)
    assert [trial.runs[0].method for trial in costliest_first(trials(matrix), matrix.benchmark)] == [
        "toy",
        "toy",
        "other",
        "other",
    ]


RANDOM = """\
name: random
family: toy
tasks: [toy-a, toy-b]
seeds: 2
methods: [{method: toy, search: {gain: {uniform: [1, 2]}, width: {choice: [4, 8]}}}]
search: {algorithm: random, samples: 5, seed: 7}
"""


def test_random_search_draws_the_same_samples_for_every_task_and_every_start(write):
    matrix = matrix_of(write, RANDOM)
    drawn = [(cell.run.settings["gain"], cell.run.settings["width"]) for cell in matrix.cells]
    assert len(matrix.cells) == 20
    assert len(set(drawn)) == 5
    assert all(1 <= gain <= 2 and width in (4, 8) for gain, width in drawn)
    assert drawn[:10] == drawn[10:]
    assert keys(matrix) == keys(matrix_of(write, RANDOM))


def test_longer_random_search_keeps_the_runs_of_the_shorter(write):
    assert keys(matrix_of(write, RANDOM)) < keys(matrix_of(write, RANDOM.replace("samples: 5", "samples: 9")))


def test_random_search_over_few_choices_has_no_run_twice(write):
    text = RANDOM.replace("gain: {uniform: [1, 2]}, ", "")
    assert len(matrix_of(write, text).cells) == 2 * 2 * 2


def test_resources_of_a_trial_change_no_key(write):
    matrix = matrix_of(write, SWEEP, cpus=2, gpus=0.5)
    assert (matrix.sweep.resources.cpu, matrix.sweep.resources.gpu) == (2, 0.5)
    assert keys(matrix) == keys(matrix_of(write, SWEEP))


def test_a_run_key_is_the_content_key_of_its_identity(write):
    """It is put together from parts that are kept."""
    run = Campaign(*load_sweep(str(write(SWEEP)))).matrix().cells[0].run
    assert run.key == content_key(run.identity())
    assert run.settings_json == canonical_json(run.settings)

"""Bad sweep files: each is refused with one message that names file, line, key and what was meant."""

from __future__ import annotations

import pytest

from benchmarks.base import RepriseError
from sweeps.matrix import Campaign
from sweeps.schema import load_sweep, load_tiers, sweep_names

GOOD = """\
name: toy
family: toy
tasks: [toy-a]
seeds: 2
methods: [toy]
"""


def refused(write, text: str) -> str:
    path = write(text)
    with pytest.raises(RepriseError) as error:
        Campaign(*load_sweep(str(path))).matrix()
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("seeds: 2", "seedz: 2"), 4, ["unknown key 'seedz'", "did you mean 'seeds'?"]),
        (
            ("methods: [toy]", "methods:\n  - {method: toy, setings: {gain: 2}}"),
            6,
            ["methods[0].setings", "'settings'"],
        ),
        (("seeds: 2", "seeds: [0, 1, 0]"), 4, ["0 is listed twice"]),
        (("tasks: [toy-a]", "tasks: [toy-a, toy-b, toy-a]"), 3, ["'toy-a' is listed twice"]),
        (("tasks: [toy-a]", "tasks: [toy-a, toy-bb]"), 3, ["tasks[1]", "unknown task 'toy-bb'", "'toy-b'"]),
        (("methods: [toy]", "methods: [toys]"), 5, ["methods[0]", "unknown method 'toys'", "did you mean 'toy'?"]),
        (("family: toy", "family: toi"), 2, ["unknown family 'toi'", "did you mean 'toy'?"]),
        (("family: toy", "family: toy\ntier: demoo"), 3, ["unknown tier 'demoo'", "did you mean 'demo'?"]),
        (("family: toy", "family: toy\ntier: mini"), 3, ["unknown tier 'mini'"]),
        (
            ("methods: [toy]", "methods: [{method: toy, preset: strung}]"),
            5,
            ["unknown preset", "did you mean 'strong'?"],
        ),
        (("methods: [toy]", "methods: [{method: toy, settings: {gian: 2}}]"), 5, ["'gian'", "did you mean 'gain'?"]),
        (("seeds: 2", "seeds: 2\nstack: [sead]"), 5, ["unknown axis 'sead'", "did you mean 'seed'?"]),
        (("seeds: 2", "seeds: 2\nseeds: 3"), 5, ["seeds is given twice", "first on line 4"]),
        (("seeds: 2", "seeds: [0, -1]"), 4, ["seeds[1]", "greater than or equal to 0"]),
        (("seeds: 2", "seeds: two"), 4, ["seeds", "list"]),
        (
            ("methods: [toy]", "methods: [{method: toy, search: {gain: {uniform: [0, 1]}}}]"),
            1,
            ["'search: {samples: ...}'"],
        ),
        (
            ("methods: [toy]", "methods: [{method: toy, settings: {gain: .nan}}]"),
            5,
            ["methods[0].settings.gain is .nan"],
        ),
        (("methods: [toy]", "methods: [toy"), 6, ["not valid YAML"]),
    ],
)
def test_bad_sweep_file_is_refused_at_its_line(write, change, line, words):
    message = refused(write, GOOD.replace(*change))
    assert f"toy.yaml:{line}:" in message
    for word in words:
        assert word in message


def test_missing_key_is_named(write):
    assert "key 'seeds' is missing" in refused(write, GOOD.replace("seeds: 2\n", ""))


def test_setting_that_cannot_differ_in_a_stack_is_refused(write):
    grid = "methods: [{method: toy, grid: {width: [8, 16]}}]\nstack: [seed, width]\n"
    message = refused(write, GOOD.replace("methods: [toy]\n", grid))
    assert "toy.yaml:6: stack[1]" in message
    assert "'width' of toy cannot differ within a stack; can: gain, seed" in message


def test_same_run_from_two_entries_is_refused(write):
    twice = "methods:\n  - toy\n  - {method: toy, as: grid, grid: {gain: [1.0, 2.0]}}\n"
    message = refused(write, GOOD.replace("methods: [toy]\n", twice))
    assert "'grid[gain=1]' is the same run as 'toy'" in message
    assert "toy.yaml:7: methods[1]" in message


def test_one_variant_name_for_two_settings_is_refused(write):
    twice = "methods:\n  - toy\n  - {method: toy, settings: {gain: 3}}\n"
    assert "the variant name 'toy' is taken" in refused(write, GOOD.replace("methods: [toy]\n", twice))


def test_sweep_that_does_not_exist_names_the_nearest():
    with pytest.raises(RepriseError, match="unknown sweep 'demmo'; did you mean 'demo'"):
        load_sweep("demmo")


def test_exponents_without_a_point_are_numbers(write):
    sweep, _ = load_sweep(str(write(GOOD.replace("[toy]", "[{method: toy, settings: {gain: 3e-4}}]"))))
    assert sweep.methods[0].settings == {"gain": 3e-4}


def test_every_sweep_of_the_suite_is_valid():
    for name in sweep_names():
        sweep, _ = load_sweep(name)
        assert sweep.name == name


def test_tiers_of_another_family_are_refused(tmp_path):
    path = tmp_path / "tiers.yaml"
    path.write_text("family: other\ntiers: {demo: {}}\n")
    with pytest.raises(RepriseError, match=r"is 'other', but this file holds the tiers of 'toy'"):
        load_tiers(path, "toy")

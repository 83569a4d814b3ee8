"""The command line: help without waiting, one message for bad input, and what `plan`, `status`, `list` and `logs` say."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from sweeps import cli
from sweeps.packages import ROOT
from sweeps.trial_folder import folder_of

SWEEP = """\
name: said
family: toy
tier: demo
tasks: [toy-a, toy-b]
seeds: 3
methods: [toy, {method: other, as: another, label: Another one}]
stack: [seed]
"""


def test_help_answers_within_half_a_second_and_imports_nothing_heavy():
    code = "import sys, sweeps.cli as c\ntry: c.main(['--help'])\nexcept SystemExit as e: assert e.code == 0\n"
    code += "heavy = {'torch', 'ray', 'mlflow', 'typer', 'numpy', 'yaml'} & set(sys.modules); assert not heavy, heavy"
    durations = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=30)
        durations.append(time.monotonic() - began)
        assert done.returncode == 0, done.stderr
    for name in cli.COMMANDS:
        assert name in done.stdout
    assert min(durations) < 0.5


def test_unknown_command_and_option_are_refused(reprise):
    said = reprise("plann")
    assert (said.status, said.err) == (2, "reprise: unknown command 'plann'; did you mean 'plan'?\n")
    assert reprise("plan", "--tear", "demo").status == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tier", "domo"], "unknown tier 'domo'; did you mean 'demo'?"),
        (["--tasks", "toy-c"], "unknown task 'toy-c'; did you mean"),
        (["--methods", "anoter"], "unknown method 'anoter'; did you mean 'another'?"),
        (["--seeds", "1,2,1"], "--seeds: 1 is listed twice; remove one"),
        (["--seeds", "many"], "--seeds 'many': give a number of seeds (3) or a list (0,3,4)"),
        (["--plugin", "/nowhere/mine.py"], "--plugin /nowhere/mine.py: no such Python file"),
    ],
)
def test_bad_options_give_one_message_and_status_2(reprise, write, options, message):
    said = reprise("plan", write(SWEEP), *options)
    assert said.status == 2
    assert said.out == ""
    assert said.err.startswith("reprise: ")
    assert message in said.err


def test_plan_shows_matrix_and_expected_time(reprise, write):
    said = reprise("plan", write(SWEEP))
    assert said.status == 0
    assert "another" in said.out
    assert "said: 0 of 12 runs finished, 12 to do" in said.out
    assert "to train: 12 runs in 4 trials, at most about" in said.out


def test_plan_as_json_has_a_row_per_run(reprise, write):
    answer = json.loads(reprise("plan", write(SWEEP), "--seeds", "0,7", "--json").out)
    assert answer["tier"] == "demo"
    assert answer["trials"] == 4
    assert answer["expected_cpu_seconds"] == pytest.approx(4 * 0.04 + 4 * 0.04)
    assert [run["seed"] for run in answer["runs"]] == [0, 7] * 4
    assert {run["status"] for run in answer["runs"]} == {"to do"}
    assert len({run["key"] for run in answer["runs"]}) == 8
    assert len({run["trial"] for run in answer["runs"]}) == 4


def test_list_names_methods_tasks_sweeps_and_tables_with_their_needs(reprise):
    said = reprise("list", "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    methods = {row["method"]: row for row in found["methods"]}
    assert methods["toy"]["presets"] == ["plain", "strong"]
    assert methods["toy"]["may differ in a stack"] == ["seed", "gain"]
    tasks = {row["task"]: row["needs"] for row in found["tasks"]}
    assert tasks["toy-built"] == "nothing (reprise run builds it)"
    assert tasks["toy-missing"] == "run `reprise data fetch toy-lost`"
    assert "demo" in {row["sweep"] for row in found["sweeps"]}
    assert "ilq-table-1" in {row["table"] for row in found["tables"]}
    assert "toy-built" in reprise("list", "tasks").out
    assert reprise("list", "tsks").status == 2


def test_status_and_logs_of_a_failed_trial(reprise, write):
    from sweeps.matrix import Campaign
    from sweeps.packing import pack
    from sweeps.schema import load_sweep

    path = write(SWEEP)
    matrix = Campaign(*load_sweep(str(path))).matrix()
    trial = pack(matrix.cells, ["seed"], matrix.benchmark)[0]
    folder = folder_of(trial)
    folder.write_plan(trial)
    folder.log.write_text("step 1\n")
    folder.write_failure("ValueError: broken", "Traceback ...")
    status = reprise("status")
    assert status.status == 1
    assert "1 failed" in status.out
    assert "toy-a toy seeds 0 1 2: ValueError: broken" in status.out
    rows = json.loads(reprise("status", "--json").out)
    assert [(row["key"], row["status"], row["reason"]) for row in rows] == [(trial.key, "failed", "ValueError: broken")]
    for key in (trial.key[:10], trial.runs[1].key[:10]):
        said = reprise("logs", key)
        assert said.status == 0
        assert "step 1" in said.out
        assert "ValueError: broken" in said.out
    assert "too short" in reprise("logs", "ab").err
    assert "no trial or run with the key" in reprise("logs", "0123456789").err
    with folder.lock():
        assert json.loads(reprise("status", "--json").out)[0]["status"] == "running"
        assert "0 places" in reprise("clean", "--failed", "--dry-run").out
    assert "1 places" in reprise("clean", "--failed").out
    assert not folder.path.exists()

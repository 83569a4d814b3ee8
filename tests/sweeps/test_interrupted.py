"""A driver that is killed in the middle: the same command goes on, and ends with one MLflow run per key."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.base import Tag, home
from sweeps.packages import ROOT
from sweeps.trial_folder import all_folders

pytestmark = pytest.mark.usefixtures("store")

SWEEP = """\
name: long
family: toy
tasks: [toy-a, toy-b]
seeds: 2
methods: [toy, other]
training: {steps: 30, seconds_per_step: 0.05}
stack: [seed]
"""


def started(path):
    """The sweep, launched by a driver of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "REPRISE_HOME": str(home())}
    command = [sys.executable, "-m", "sweeps.cli", "run", str(path)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_until(condition, driver, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < end, "the driver made no progress"
        time.sleep(0.02)


def recorded():
    """Run keys in MLflow, as often as active runs carry them."""
    query = "SELECT value FROM tags JOIN runs USING (run_uuid) WHERE lifecycle_stage = 'active' AND key = ?"
    with sqlite3.connect(home() / "mlflow.db") as connection:
        return [key for (key,) in connection.execute(query, (Tag.RUN_KEY,))]


def steps():
    """The steps each trial's harness has worked through, over all attempts."""
    return [[int(line) for line in path.read_text().split()] for path in home().glob("trials/*/training/steps.log")]


def test_killed_driver_goes_on_and_ends_with_one_run_per_key(write, reprise, request):
    path = write(SWEEP)
    driver = started(path)
    try:
        wait_until(lambda: recorded() and any(5 <= len(done) < 25 for done in steps()), driver)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.communicate(timeout=30)
    half = recorded()
    assert len(half) < 8
    planned = json.loads(reprise("plan", path, "--json").out)["runs"]
    assert {run["key"] for run in planned if run["status"] == "finished"} >= set(half)

    request.getfixturevalue("ray")
    said = reprise("run", path)
    assert said.status == 0, said.out + said.err
    assert sorted(recorded()) == sorted(run["key"] for run in planned)
    assert len(recorded()) == len(set(recorded())) == 8
    assert all(folder.finished() for folder in all_folders())
    for done in steps():
        assert sorted(set(done)) == list(range(1, 31))
        assert len(done) <= 31  # nothing but the step under way was trained twice


def worker_processes():
    """Processes that trial logs name."""
    lines = [path.read_text().splitlines()[0] for path in home().glob("trials/*/log.txt")]
    return [int(line.rpartition("process ")[2]) for line in lines]


def test_terminated_driver_says_so_and_leaves_no_process(write):
    driver = started(write(SWEEP))
    try:
        wait_until(lambda: any(steps()), driver)
        ours = worker_processes()
        driver.send_signal(signal.SIGTERM)
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode == 130, said
    assert "interrupted; the same command goes on from here" in said
    assert "Traceback" not in said
    assert ours
    end = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in ours) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [process for process in ours if Path(f"/proc/{process}").exists()]
    assert not any(folder.finished() for folder in all_folders())

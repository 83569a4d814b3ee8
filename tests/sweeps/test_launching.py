"""Sweeps of the toy family on a real local Ray and a real sqlite MLflow, through the command `reprise`."""

from __future__ import annotations

import json
import socket
import sqlite3

import pytest
import ray

from benchmarks.base import Tag, home
from sweeps.trial_folder import all_folders

pytestmark = pytest.mark.usefixtures("ray", "store")

SWEEP = """\
name: toy
family: toy
tier: demo
tasks: [toy-a]
seeds: 2
methods: [toy, {method: other, settings: {gain: 5}}]
stack: [seed]
"""


def rows(query):
    with sqlite3.connect(home() / "mlflow.db") as connection:
        return connection.execute(query).fetchall()


def keyed_runs():
    """Run key -> how many active MLflow runs carry it."""
    query = "SELECT value, COUNT(*) FROM tags JOIN runs USING (run_uuid) WHERE lifecycle_stage = 'active'"
    return dict(rows(f"{query} AND key = '{Tag.RUN_KEY}' GROUP BY value"))


def steps_trained():
    """Trial folder -> the steps that its harness worked through, over all attempts."""
    logs = home().glob("trials/*/training/steps.log")
    return {path.parents[1].name: [int(line) for line in path.read_text().split()] for path in logs}


def standing(reprise, path):
    said = reprise("plan", path, "--json")
    assert said.status == 0
    return json.loads(said.out)


def words(reprise, path):
    return [run["status"] for run in standing(reprise, path)["runs"]]


def test_sweep_is_trained_recorded_and_not_trained_again(reprise, write, toy):
    path = write(SWEEP)
    assert set(words(reprise, path)) == {"to do"}
    said = reprise("run", path, "--json")
    assert said.status == 0, said.err
    answer = json.loads(said.out)  # nothing else stands on stdout
    assert answer["failures"] == []
    assert {run["status"] for run in answer["runs"]} == {"finished"}
    assert "2 of 2: toy-a" in said.err
    assert keyed_runs() == {run["key"]: 1 for run in answer["runs"]}

    results = [result for folder in all_folders() for result in folder.results()]
    assert len(results) == 4
    for result in results:
        assert result.summary["toy_score"]["last"] == toy.score(result.run, 4)
        found = result.provenance
        assert (found["device"], found["threads"], found["precision"], found["stack"]) == ("cpu", 1, "fp32", 2)
        assert {"commit", "dirty", "constraints", "data_hash", "torch", "ray", "mlflow", "numpy", "python"} <= set(
            found
        )
        assert min(found["wall_s"], found["cpu_s"]) > 0
    values = rows(
        "SELECT DISTINCT latest_metrics.value FROM latest_metrics JOIN tags USING (run_uuid)"
        f" WHERE latest_metrics.key = 'toy_score.last' AND tags.key = '{Tag.RUN_KEY}'"
    )
    assert {value for (value,) in values} == {result.summary["toy_score"]["last"] for result in results}

    before = steps_trained()
    again = reprise("run", path)
    assert again.status == 0
    assert "toy: 4 of 4 runs finished" in again.out
    assert steps_trained() == before == {folder: [1, 2, 3, 4] for folder in before}


def test_more_seeds_train_only_the_new_ones_in_whatever_sweep(reprise, write):
    path = write(SWEEP)
    reprise("run", path, "--methods", "toy")
    (first,) = steps_trained()
    other = write(SWEEP.replace("name: toy", "name: other").replace("stack: [seed]", ""), "other.yaml")
    assert reprise("run", other, "--methods", "toy").status == 0
    assert list(steps_trained()) == [first]
    said = reprise("run", path, "--seeds", "4", "--methods", "toy")
    assert said.status == 0
    (new,) = set(steps_trained()) - {first}
    (folder,) = [folder for folder in all_folders() if folder.path.name == new]
    assert [run.seed for run in folder.plan().runs] == [2, 3]
    assert list(keyed_runs().values()) == [1] * 4


CRASHING = SWEEP.replace("{method: other, settings: {gain: 5}}", "{method: other, settings: {crash: 3}}")


def test_failed_trial_is_reported_and_tried_again_alone(reprise, write, tmp_path, monkeypatch):
    monkeypatch.setenv("REPRISE_TOY_MENDED", str(tmp_path / "mended"))
    path = write(CRASHING)
    said = reprise("run", path)
    assert said.status == 1
    assert "FAILED toy-a other seeds 0 1: ValueError: toy crash at step 3" in said.out
    assert words(reprise, path) == ["finished", "finished", "failed", "failed"]
    assert len(keyed_runs()) == 2
    status = reprise("status", path)
    assert status.status == 1
    assert "ValueError: toy crash at step 3" in status.out
    key = standing(reprise, path)["runs"][2]["key"]
    assert "in _misbehave" in reprise("logs", key[:10]).out

    (tmp_path / "mended").touch()
    more = reprise("run", path, "--failed", "--seeds", "3")
    assert more.status == 0
    assert words(reprise, path) == ["finished"] * 4
    assert set(keyed_runs().values()) == {1}
    assert len(keyed_runs()) == 4  # the third seeds were not asked for by --failed
    assert [1, 2, 3, 4] in steps_trained().values()  # steps 1 and 2 came from the checkpoint of the failed attempt
    assert rows("SELECT COUNT(*) FROM tags WHERE key = 'reprise.failure'") == [(0,)]


def test_worker_that_dies_and_result_that_is_nan_fail_their_trials_and_no_other(reprise, write):
    methods = "[toy, {method: toy, as: dies, settings: {kill: 2}}, {method: toy, as: spoiled, settings: {nan: true}}]"
    path = write(SWEEP.replace("[toy, {method: other, settings: {gain: 5}}]", methods))
    said = reprise("run", path)
    assert said.status == 1
    assert "FAILED toy-a dies seeds 0 1: its Ray worker died" in said.out
    assert "FAILED toy-a spoiled seeds 0 1: RepriseError: run" in said.out
    assert "toy_score (last) is nan" in said.out
    assert words(reprise, path) == ["finished"] * 2 + ["failed"] * 4
    assert list(keyed_runs().values()) == [1, 1]


def test_artifacts_are_built_once_before_the_runs_that_need_them(reprise, write):
    sweep = SWEEP.replace("tasks: [toy-a]", "tasks: [toy-built, toy-b]").replace("{gain: 5}", "{model: true}")
    path = write(sweep)
    plan = reprise("plan", path)
    assert "dataset toy-built-data: not built yet (reprise run builds it)" in plan.out
    said = reprise("run", path)
    assert said.status == 0, said.out + said.err
    assert sorted((home() / "builds.log").read_text().split("\n")) == ["", "model toy-b", "model toy-built", "toy-data"]
    assert len(keyed_runs()) == 8
    assert reprise("run", path).status == 0
    assert len((home() / "builds.log").read_text().splitlines()) == 3


def test_artifact_that_fails_fails_the_trials_that_need_it_and_no_other(reprise, write, monkeypatch):
    monkeypatch.setenv("REPRISE_TOY_BROKEN_MODEL", "1")
    path = write(SWEEP.replace("{gain: 5}", "{model: true}"))
    said = reprise("run", path)
    assert said.status == 1
    assert "FAILED to build model of toy-a: ValueError: no model of toy-a today" in said.out
    assert "FAILED toy-a other seeds 0 1: ValueError: no model of toy-a today" in said.out
    assert words(reprise, path) == ["finished", "finished", "failed", "failed"]
    assert not list((home() / "artifacts" / "toy-model").glob("[!.]*/artifact.json"))


def test_what_can_start_goes_before_what_waits_and_a_build_is_heard_of(reprise, write, monkeypatch):
    """On one slot: an artifact that another needs, the run that needs none, the artifact that waited, the run that did."""
    monkeypatch.setattr("sweeps.progress.PLAIN_EVERY", 0.0)
    sweep = SWEEP.replace("toy-a", "toy-deep").replace("{gain: 5}", "{model: true}")
    sweep += "scheduler: {asha: {grace_period: 50}}\n"  # schedulers pass over what builds report
    said = reprise("run", write(sweep + f"resources: {{cpu: {int(ray.cluster_resources()['CPU'])}}}\n"))
    assert said.status == 0, said.out + said.err
    ends = ("built model of toy-a", "toy seeds 0 1 finished", "built model of toy-deep", "other seeds 0 1 finished")
    places = [said.out.index(each) for each in ends]
    assert places == sorted(places)
    assert "building model of toy-deep: step 1 of 2" in said.out


def test_missing_dataset_names_the_command_that_gets_it(reprise, write):
    said = reprise("run", write(SWEEP.replace("toy-a", "toy-missing")))
    assert said.status == 2
    assert "dataset toy-lost does not exist; run `reprise data fetch toy-lost`" in said.err
    assert not list(all_folders())


def test_trial_larger_than_the_machine_is_refused(reprise, write):
    said = reprise("run", write(SWEEP + "resources: {cpu: 4096}\n"))
    assert said.status == 2
    assert "a trial asks for 4096 CPU" in said.err
    assert said.err.count("\n") == 1


def test_cluster_that_nobody_runs_is_refused_at_once():
    from sweeps.cluster import _knock

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(OSError, match="refused"):
            _knock(f"127.0.0.1:{port}")
    _knock("auto")


ASHA = """\
name: asha
family: toy
tasks: [toy-a, toy-b]
seeds: 2
methods: [{method: toy, grid: {gain: [9, 8, 3, 2, 1]}}]
stack: [seed]
training: {steps: 20, seconds_per_step: 0.02}
scheduler: {asha: {grace_period: 10, reduction_factor: 2}}
"""


def test_asha_stops_trials_that_never_look_finished(reprise, write):
    path = write(ASHA)
    said = reprise("run", path)
    assert said.status == 0, said.out + said.err
    assert "FAILED" not in said.out
    found = standing(reprise, path)["runs"]
    by_word = {word: {run["key"] for run in found if run["status"] == word} for word in ("finished", "stopped early")}
    assert by_word["stopped early"]
    assert by_word["finished"] | by_word["stopped early"] == {run["key"] for run in found}
    best = {run["key"] for run in found if run["variant"] == "toy[gain=9]"}
    assert best <= by_word["finished"]
    assert keyed_runs() == dict.fromkeys(by_word["finished"], 1)
    stopped = rows(f"SELECT run_uuid FROM tags WHERE key = '{Tag.STATUS}' AND value = 'stopped_early'")
    assert stopped
    partial = [folder.stopped()[0] for folder in all_folders() if not folder.finished()]
    assert all(result.status == "stopped_early" and 0 < len(result.curve) < 20 for result in partial)

    before = steps_trained()
    assert reprise("run", path).status == 0
    assert steps_trained() == before  # this sweep is over: its scheduler has decided
    whole = write(ASHA.replace("scheduler", "about: x #"), "whole.yaml")
    assert reprise("run", whole).status == 0
    assert set(keyed_runs()) == {run["key"] for run in found}
    assert set(keyed_runs().values()) == {1}


OPTUNA = """\
name: search
family: toy
tasks: [toy-a]
seeds: 2
methods: [{method: toy, search: {gain: {uniform: [0, 10]}, width: {choice: [4, 8]}}}]
stack: [seed]
search: {algorithm: optuna, samples: 6, seed: 1}
"""


def test_optuna_search_trains_its_samples_and_goes_on_where_it_was(reprise, write):
    path = write(OPTUNA)
    said = reprise("run", path)
    assert said.status == 0, said.out + said.err
    assert len(keyed_runs()) == 12
    folders = list(all_folders())
    assert len({folder.search() for folder in folders}) == 1
    gains = {folder.plan().runs[0].settings["gain"] for folder in folders}
    assert len(gains) == 6
    assert all(0 <= gain <= 10 for gain in gains)
    assert standing(reprise, path)["samples_left"] == 0
    assert reprise("run", write(OPTUNA.replace("samples: 6", "samples: 8"))).status == 0
    assert len(list(all_folders())) == 8
    assert keyed_runs().keys() == {run.key for folder in all_folders() for run in folder.plan().runs}
    assert set(keyed_runs().values()) == {1}


def test_results_are_recorded_later_when_the_store_fails_meanwhile(reprise, write, monkeypatch):
    """The store stops answering while trials end: training goes on, nothing is lost, the next start records it."""
    from benchmarks.base import RepriseError
    from sweeps.tracking import Tracking

    def refuse(self, *arguments):
        raise RepriseError("the store is away")

    path = write(SWEEP)
    with monkeypatch.context() as patch:
        patch.setattr(Tracking, "record", refuse)
        said = reprise("run", path)
    assert said.status == 2
    assert "the store is away" in said.err
    assert keyed_runs() == {}
    again = reprise("run", path)
    assert again.status == 0
    assert "recorded 4 finished runs that an earlier launch left unrecorded" in again.out
    assert set(keyed_runs().values()) == {1}


def test_clean_frees_checkpoints_and_keeps_results(reprise, write):
    path = write(SWEEP)
    reprise("run", path)
    assert steps_trained()
    assert "would free" in reprise("clean", "--dry-run").out
    assert steps_trained()
    assert "freed" in reprise("clean").out
    assert not steps_trained()
    assert words(reprise, path) == ["finished"] * 4
    assert len(keyed_runs()) == 4
    assert reprise("clean", "--all", "--yes").status == 0
    assert not (home() / "mlflow.db").exists()
    assert words(reprise, path) == ["to do"] * 4

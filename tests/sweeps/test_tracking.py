"""What the launcher writes to a real sqlite MLflow: whole runs, once each, whatever is interrupted."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import mlflow
import pytest

from benchmarks.base import Point, RepriseError, RunResult, Tag, home
from benchmarks.store_uri import store_uri
from sweeps.matrix import Campaign
from sweeps.packing import pack
from sweeps.run_notes import trial_means
from sweeps.schema import load_sweep
from sweeps.tracking import Tracking
from sweeps.trial_folder import folder_of

SWEEP = """\
name: track
family: toy
tasks: [toy-a]
seeds: 3
methods: [toy, other]
stack: [seed]
"""


@pytest.fixture
def trials(write):
    matrix = Campaign(*load_sweep(str(write(SWEEP)))).matrix()
    return pack(matrix.cells, ["seed"], matrix.benchmark)


def results_of(trial, status="finished"):
    curve = [Point("toy_score", step, step / 3) for step in range(1, 4)]
    summary = {"toy_score": {"last": 1.0, "best": 1.0}}
    return [
        RunResult(run, status, curve, summary, {"note": "x"}, {"commit": "abc", "wall_s": 2.0}) for run in trial.runs
    ]


def finish(trial):
    """What a worker leaves of a trial that worked."""
    folder = folder_of(trial)
    folder.write_plan(trial)
    folder.write_results(results_of(trial))
    return folder


def rows(query):
    with sqlite3.connect(home() / "mlflow.db") as connection:
        return connection.execute(query).fetchall()


def keyed_runs():
    """Run key -> how many MLflow runs carry it, deleted ones left out."""
    found = rows(
        "SELECT value, COUNT(*) FROM tags JOIN runs USING (run_uuid)"
        f" WHERE key = '{Tag.RUN_KEY}' AND lifecycle_stage = 'active' GROUP BY value"
    )
    return dict(found)


def test_finished_run_is_written_whole(store, trials):
    trial = trials[0]
    Tracking("toy").record(trial, results_of(trial))
    client = mlflow.MlflowClient(store_uri())
    experiment = client.get_experiment_by_name("toy/track").experiment_id
    (run,) = client.search_runs([experiment], filter_string=f"tags.`{Tag.SEED}` = '1'")
    member, tags = trial.runs[1], run.data.tags
    assert tags[Tag.RUN_KEY] == member.key
    assert (tags[Tag.STATUS], tags[Tag.FAMILY], tags[Tag.TASK], tags[Tag.METHOD]) == ("finished", "toy", "toy-a", "toy")
    assert tags[Tag.LABEL + "variant"] == "toy"
    assert tags[Tag.PROVENANCE + "commit"] == "abc"
    assert run.data.params["settings.gain"] == "1"
    assert run.data.params["training.steps"] == "4"
    assert run.data.metrics["toy_score.last"] == 1.0
    assert run.info.status == "FINISHED"
    record = json.loads((Path(urlparse(run.info.artifact_uri).path) / Tag.RECORD).read_text())
    assert RunResult.from_json(record).run == member
    history = client.get_metric_history(run.info.run_id, "toy_score")
    assert [(point.step, point.value) for point in history] == [(1, 1 / 3), (2, 2 / 3), (3, 1.0)]


def test_members_hang_under_one_parent_that_carries_the_trial_key(store, trials):
    Tracking("toy").record(trials[0], results_of(trials[0]))
    parents = rows(f"SELECT run_uuid, value FROM tags WHERE key = '{Tag.TRIAL_KEY}'")
    assert [value for _, value in parents] == [trials[0].key]
    assert rows("SELECT DISTINCT value FROM tags WHERE key = 'mlflow.parentRunId'") == [(parents[0][0],)]


def test_an_experiment_is_a_sweep_and_says_what_it_is_about(store, trials):
    tracking = Tracking("toy")
    tracking.describe("track", "gains of the toy")
    tracking.record(trials[0], results_of(trials[0]))
    experiment = mlflow.MlflowClient(store_uri()).get_experiment_by_name("toy/track")
    assert experiment.tags[Tag.NOTE].startswith("Gains of the toy.")
    assert "`reprise run track`" in experiment.tags[Tag.NOTE]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert rows("SELECT DISTINCT experiment_id FROM runs") == [(int(experiment.experiment_id),)]


def test_people_see_scores_source_and_data_of_a_run_and_the_means_of_its_trial(store, trials):
    results = results_of(trials[0])
    for place, result in enumerate(results):
        result.summary = {"toy_score": {"best": 9.0, "last": float(place)}}
    Tracking("toy").record(trials[0], results)
    client = mlflow.MlflowClient(store_uri())
    found = client.search_runs([client.get_experiment_by_name("toy/track").experiment_id])
    (parent,) = [run for run in found if Tag.TRIAL_KEY in run.data.tags]
    assert parent.data.metrics["toy_score.last"] == pytest.approx((0 + 1 + 2) / 3)
    assert "| toy | 2 | finished | 2 |" in parent.data.tags[Tag.NOTE]
    (member,) = [run for run in found if run.data.tags.get(Tag.SEED) == "2"]
    assert "on **toy-a**: toy_score 2 (last)" in member.data.tags[Tag.NOTE]
    for run in (parent, member):
        assert run.data.tags["mlflow.source.name"] == "reprise run track"
        assert run.data.tags["mlflow.source.git.commit"] == "abc"
        (data,) = run.inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest) == (
            trials[0].runs[0].dataset,
            trials[0].runs[0].dataset_hash[:8],
        )


def test_several_variants_have_no_common_mean(trials):
    results = results_of(trials[0])
    other = replace(results[1].run, labels={**results[1].run.labels, "variant": "toy[gain=2]"})
    assert trial_means([results[0], replace(results[1], run=other)]) == {}
    assert trial_means(results)["toy_score.last"] == 1.0


def test_runs_of_the_familys_own_experiment_count_as_finished(store, trials):
    """Older versions had one experiment per family."""
    client = mlflow.MlflowClient(store_uri())
    key = trials[0].runs[0].key
    client.create_run(client.create_experiment("toy"), tags={Tag.RUN_KEY: key})
    client.create_run(client.create_experiment("toybox"), tags={Tag.RUN_KEY: trials[0].runs[1].key})
    tracking = Tracking("toy")
    assert tracking.finished() == {key}
    assert len(tracking.record(trials[0], results_of(trials[0]))) == 2


def test_a_deleted_experiment_is_not_written_to(store, trials):
    Tracking("toy").record(trials[0], results_of(trials[0]))
    client = mlflow.MlflowClient(store_uri())
    client.delete_experiment(client.get_experiment_by_name("toy/track").experiment_id)
    with pytest.raises(RepriseError, match="'toy/track' was deleted; restore it: mlflow experiments restore -x"):
        Tracking("toy").record(trials[1], results_of(trials[1]))


def test_long_curve_is_written_in_full(store, trials):
    result = results_of(trials[0])[0]
    result.curve = [Point("toy_score", step, 0.5) for step in range(2500)]
    Tracking("toy").record(trials[0], [result])
    assert rows("SELECT COUNT(*) FROM metrics WHERE key = 'toy_score'") == [(2500,)]


def test_recording_twice_makes_no_second_run(store, trials):
    tracking = Tracking("toy")
    assert len(tracking.record(trials[0], results_of(trials[0]))) == 3
    assert tracking.record(trials[0], results_of(trials[0])) == []
    assert Tracking("toy").record(trials[0], results_of(trials[0])) == []
    assert keyed_runs() == dict.fromkeys((run.key for run in trials[0].runs), 1)


def test_results_that_a_crash_left_are_ingested_once(store, trials):
    for trial in trials:
        finish(trial)
    Tracking("toy").record(trials[0], results_of(trials[0]))
    assert set(Tracking("toy").ingest()) == {run.key for run in trials[1].runs}
    assert Tracking("toy").ingest() == []
    assert keyed_runs() == {run.key: 1 for trial in trials for run in trial.runs}


@pytest.mark.parametrize("call", ["log_batch", "set_terminated", "set_tag", "create_run"])
@pytest.mark.parametrize("member", [0, 2])
def test_writing_cut_short_leaves_nothing_that_looks_finished(store, trials, monkeypatch, call, member):
    """The driver dies at some request while writing a trial; the next start repairs it."""
    finish(trials[0])
    tracking, request, seen = Tracking("toy"), Tracking._call, []

    def dying(self, name, *arguments, **options):
        seen.append(name)
        if name == call and seen.count(call) == member + 1 + (call == "create_run"):
            raise KeyboardInterrupt
        return request(self, name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Tracking, "_call", dying)
        with pytest.raises(KeyboardInterrupt):
            tracking.record(trials[0], results_of(trials[0]))
    half = keyed_runs()
    assert set(half.values()) <= {1}
    assert len(half) == member
    again = Tracking("toy")
    assert again.finished() == set(half)
    assert len(again.ingest()) == 3 - member
    assert keyed_runs() == dict.fromkeys((run.key for run in trials[0].runs), 1)
    assert rows("SELECT status FROM runs WHERE lifecycle_stage = 'active'") == [("FINISHED",)] * 4


def test_failed_trial_has_a_reason_and_no_run_key(store, trials):
    Tracking("toy").record_failed(trials[0], "ValueError: broken")
    assert keyed_runs() == {}
    assert rows("SELECT value FROM tags WHERE key = 'reprise.failure'") == [("ValueError: broken",)]
    assert rows("SELECT status FROM runs") == [("FAILED",)]
    Tracking("toy").record(trials[0], results_of(trials[0]))
    assert rows("SELECT value FROM tags WHERE key = 'reprise.failure'") == []
    assert len(rows(f"SELECT 1 FROM tags WHERE key = '{Tag.TRIAL_KEY}'")) == 1


def test_stopped_runs_have_no_key_and_give_way_to_finished_ones(store, trials):
    Tracking("toy").record_stopped(trials[0], results_of(trials[0], "stopped_early"))
    assert keyed_runs() == {}
    assert Tracking("toy").finished() == set()
    assert rows(f"SELECT COUNT(*) FROM tags WHERE key = '{Tag.STATUS}' AND value = 'stopped_early'") == [(4,)]
    Tracking("toy").record(trials[0], results_of(trials[0]))
    assert keyed_runs() == dict.fromkeys((run.key for run in trials[0].runs), 1)
    stopped = "SELECT COUNT(*) FROM tags JOIN runs USING (run_uuid) WHERE value = 'stopped_early' AND lifecycle_stage = 'active'"
    assert rows(stopped) == [(0,)]


def record_all(trials):
    tracking = Tracking("toy")
    for trial in trials:
        tracking.record(trial, results_of(trial))


def test_two_writers_at_once_make_one_run_per_key(store, trials):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=record_all, args=(order,)) for order in (trials, trials[::-1])]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert keyed_runs() == {run.key: 1 for trial in trials for run in trial.runs}


def test_store_that_does_not_exist_counts_as_empty_and_is_not_created():
    assert Tracking("toy", create=False).finished() == set()
    assert not (home() / "mlflow.db").exists()


def test_relative_database_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    assert store_uri() == f"sqlite:///{tmp_path / 'mine.db'}"


def test_file_that_is_no_database_is_refused_and_left_alone(monkeypatch, tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_text("this is not a database, it is a text of some length\n" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    with pytest.raises(RepriseError, match="is not a sqlite database"):
        Tracking("toy")
    assert path.read_text().startswith("this is not")


def test_database_of_another_program_is_refused_and_left_alone(monkeypatch, tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (value)")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    with pytest.raises(RepriseError, match="not MLflow's"):
        Tracking("toy")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]


def test_database_of_another_schema_is_refused_with_the_command_that_helps(store):
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(RepriseError, match="mlflow db upgrade"):
        Tracking("toy")


def test_locked_database_is_refused(store, monkeypatch):
    monkeypatch.setattr("sweeps.store_connection.LOCK_SECONDS", 0.2)
    holder = sqlite3.connect(store)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(RepriseError, match="database is locked; another program holds this MLflow database"):
            Tracking("toy")
    finally:
        holder.close()


def test_result_file_that_was_altered_is_refused(store, trials):
    folder = finish(trials[0])
    path = folder.path / "result.json"
    path.write_text(path.read_text().replace('"gain": 1.0', '"gain": 9.0'))
    with pytest.raises(RepriseError, match="the record was altered"):
        Tracking("toy").ingest()

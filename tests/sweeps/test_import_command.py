"""`reprise import`: committed records become finished runs of MLflow, once each, and `reprise plan` leaves them out."""

from __future__ import annotations

import json
import sqlite3

import pytest

from benchmarks.base import Point, RepriseError, RunResult, Tag, home
from benchmarks.record_files import write_records
from sweeps import import_command
from sweeps.matrix import Campaign
from sweeps.packing import pack
from sweeps.schema import load_sweep
from sweeps.tracking import Tracking

SWEEP = """\
name: moved
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


def results_of(trial, last=1.0, status="finished"):
    provenance = {"commit": "abc", "wall_s": 2.0, "trial": trial.key}
    curve = [Point("toy_score", step, step / 3) for step in range(1, 4)]
    return [RunResult(run, status, curve, {"toy_score": {"last": last}}, {}, provenance) for run in trial.runs]


@pytest.fixture
def records(trials, tmp_path):
    path = tmp_path / "moved.jsonl"
    write_records(path, [result for trial in trials for result in results_of(trial)])
    return path


def rows(query, *values):
    with sqlite3.connect(home() / "mlflow.db") as connection:
        return connection.execute(query, values).fetchall()


def members():
    return rows(
        "SELECT value FROM tags JOIN runs USING (run_uuid) WHERE key = ? AND lifecycle_stage = 'active'", Tag.RUN_KEY
    )


def test_imported_runs_are_finished_for_plan_and_keep_curves_and_provenance(store, trials, records, write, reprise):
    said = reprise("import", records)
    assert said.status == 0
    assert said.out.startswith("imported 6 runs into sqlite:///")
    planned = json.loads(reprise("plan", write(SWEEP), "--json").out)
    assert {run["status"] for run in planned["runs"]} == {"finished"}
    assert planned["trials"] == 0
    assert rows("SELECT COUNT(*) FROM metrics WHERE key = 'toy_score'") == [(18,)]
    assert rows("SELECT DISTINCT value FROM tags WHERE key = ?", Tag.PROVENANCE + "commit") == [("abc",)]
    assert rows("SELECT DISTINCT value FROM tags WHERE key = ?", Tag.IMPORTED) == [("moved.jsonl",)]
    parents = rows("SELECT value FROM tags WHERE key = ?", Tag.TRIAL_KEY)
    assert sorted(parents) == sorted((trial.key,) for trial in trials)


def test_importing_again_and_from_another_copy_adds_nothing(store, records, tmp_path, reprise):
    reprise("import", records)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "other.jsonl").write_text(records.read_text())
    said = reprise("import", records, tmp_path / "copies")
    assert "imported 0 runs" in said.out
    assert "(6 were there already)" in said.out
    assert len(members()) == 6


def test_another_result_in_the_store_is_refused_with_both_places_and_nothing_is_written(
    store, trials, records, reprise
):
    Tracking("toy").record(trials[1], results_of(trials[1], last=2.0))
    said = reprise("import", records)
    assert said.status == 2
    assert "two different results" in said.err
    assert "mlflow.db run " in said.err
    assert f"{records}:" in said.err
    assert len(members()) == 3


def test_two_files_that_contradict_each_other_are_refused_before_anything_is_written(
    store, trials, records, tmp_path, reprise
):
    other = tmp_path / "other.jsonl"
    write_records(other, results_of(trials[0], last=9.0))
    said = reprise("import", records, other)
    assert said.status == 2
    assert str(records) in said.err
    assert f"{other}:1" in said.err
    assert members() == []


def test_an_edited_last_line_keeps_the_whole_file_out(store, records, reprise):
    text = records.read_text()
    at = text.rindex('"last": 1.0')
    records.write_text(text[:at] + '"last": 7.0' + text[at + 11 :])
    said = reprise("import", records)
    assert said.status == 2
    assert f"{records}:6: " in said.err
    assert "was altered" in said.err
    assert members() == []


def test_a_run_stopped_early_is_no_result(trials, tmp_path):
    path = tmp_path / "stopped.jsonl"
    write_records(path, results_of(trials[0], status="stopped_early"))
    with pytest.raises(RepriseError, match=r"stopped\.jsonl:1: .*'stopped_early'"):
        import_command.readable([path])


def test_a_diverged_run_with_nan_is_kept_as_diverged_and_idempotent(store, trials, tmp_path, reprise):
    path = tmp_path / "diverged.jsonl"
    results = results_of(trials[0], status="diverged")
    for result in results:
        result.curve.append(Point("toy_score", 4, float("nan")))
    write_records(path, results)
    assert reprise("import", path).status == 0
    assert len(members()) == 3
    assert len(rows("SELECT 1 FROM tags WHERE key = ? AND value = 'diverged'", Tag.STATUS)) == 3
    assert "imported 0 runs" in reprise("import", path).out
    stored = Tracking("toy").stored(results[0].run.key).result
    assert (stored.status, repr(stored.curve[-1].value)) == ("diverged", "nan")


def test_an_import_cut_short_goes_on(store, trials, records, monkeypatch, reprise):
    request, seen = Tracking._call, []

    def dying(self, name, *arguments, **options):
        seen.append(name)
        if seen.count("log_batch") == 4:
            raise KeyboardInterrupt
        return request(self, name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Tracking, "_call", dying)
        assert reprise("import", records).status == 130
    assert len(members()) == 3
    assert "imported 3 runs" in reprise("import", records).out
    assert len(set(members())) == len(members()) == 6

"""The commands, from a real MLflow store to files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.base import RepriseError, RunResult, Tag
from results import cli, export_command, run_keys

Maker = Callable[..., RunResult]


def call(command: Callable[..., None], words: Sequence[str]) -> str:
    """What a command prints; its errors come through."""
    application = typer.Typer()
    application.command()(command)
    done = CliRunner().invoke(application, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_table_writes_every_format_under_home_prints_the_table_and_the_paths(store: Any, demo: list[RunResult]) -> None:
    for each in demo:
        store.write(each)
    printed = call(cli.table, ["ilq-table-1"])
    folder = store.path.parent / "results" / "ilq-table-1-demo"
    names = ["csv", "html", "json", "md", "tex", "txt"]
    assert sorted(path.name for path in folder.iterdir()) == [f"ilq-table-1.{name}" for name in names]
    for name in names:
        assert f"wrote {folder / ('ilq-table-1.' + name)}" in printed
    assert "hopper-medium-expert" in printed
    assert "Tier demo, 2 of 12 tasks." in printed


def test_records_draw_the_same_table_as_the_store_they_were_exported_from(store: Any, demo: list[RunResult]) -> None:
    for each in demo[:6]:
        store.write(each)
    straight = json.loads(call(cli.table, ["ilq-table-1", "--format", "json"]))
    printed = call(export_command.export, [])
    exported = store.path.parent / "records" / "demo.jsonl"
    assert printed == f"wrote {exported} (6 runs)\n"
    again = json.loads(call(cli.table, ["ilq-table-1", "--format", "json", "--records", str(exported)]))
    said = [
        {note.pop("text") for note in table["notes"] if note["subject"] == "Read from"} for table in (straight, again)
    ]
    assert said == [{"MLflow (6 runs)."}, {"demo.jsonl (6 runs)."}]
    assert again == straight


def test_a_format_alone_is_printed_and_written_only_where_a_folder_is_named(
    store: Any, result: Maker, tmp_path: Path
) -> None:
    store.write(result())
    printed = call(cli.table, ["ilq-table-1", "--format", "csv"])
    assert printed.startswith("group,row,column_group")
    assert not (store.path.parent / "results").exists()
    assert call(cli.table, ["ilq-table-1", "--format", "csv", "--out", str(tmp_path / "out")]) == printed
    assert (tmp_path / "out" / "ilq-table-1.csv").read_text() == printed


def test_another_statistic_has_a_folder_of_its_own(store: Any, result: Maker) -> None:
    store.write(result())
    call(cli.table, ["ilq-table-1", "--statistic", "final10"])
    assert [path.name for path in (store.path.parent / "results").iterdir()] == ["ilq-table-1-demo-final10"]


def test_keys_in_a_file_narrow_the_table_to_the_runs_of_a_sweep(store: Any, result: Maker, tmp_path: Path) -> None:
    new, old = result(score=50.0), result(score=10.0, training={"train_steps": 5_000})
    store.write(new)
    store.write(old)
    with pytest.raises(RepriseError, match="do not belong together"):
        call(cli.table, ["ilq-table-1"])
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"runs": [{"key": new.run.key, "task": "hopper-medium"}]}))
    drawn = json.loads(call(cli.table, ["ilq-table-1", "--format", "json", "--keys", str(plan)]))
    values = [cell["value"] for cell in drawn["groups"][0]["rows"][0]["cells"]]
    assert 50.0 in values
    assert 10.0 not in values


def test_export_writes_a_file_per_sweep_and_refuses_what_is_not_there(
    store: Any, result: Maker, tmp_path: Path
) -> None:
    store.write(result(seed=0, sweep="one"))
    store.write(result(seed=1, sweep="two", tier="mini"))
    call(export_command.export, ["--out", str(tmp_path / "all")])
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["one.jsonl", "two.jsonl"]
    call(export_command.export, ["--sweep", "two", "--tier", "mini", "--out", str(tmp_path / "some")])
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["two.jsonl"]
    kept = result(seed=2, sweep="two", tier="mini")
    store.write(kept)
    (tmp_path / "keys.json").write_text(kept.run.key)
    call(export_command.export, ["--keys", str(tmp_path / "keys.json"), "--out", str(tmp_path / "chosen")])
    (line,) = (tmp_path / "chosen" / "two.jsonl").read_text().splitlines()
    assert kept.run.key in line
    with pytest.raises(RepriseError, match="no finished run of sweep 'three'"):
        call(export_command.export, ["--sweep", "three", "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_a_table_of_nothing_writes_nothing(store: Any) -> None:
    with pytest.raises(RepriseError, match="without any finished Reprise run"):
        call(cli.table, ["ilq-table-1"])
    assert not (store.path.parent / "results").exists()


def test_a_file_without_run_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(RepriseError, match=r"no file of run keys at .*plan\.json"):
        run_keys.read_keys(path)
    path.write_text('{"runs": ["abc"]}')
    with pytest.raises(RepriseError, match=r"plan\.json holds no run key"):
        run_keys.read_keys(path)


def test_the_table_of_a_sweep_is_an_artifact_of_its_experiment(store: Any, demo: list[RunResult]) -> None:
    for each in demo:
        store.write(each)
    asked = store.path.parent / "sweeps" / "demo.json"
    asked.parent.mkdir()
    asked.write_text(json.dumps({"runs": [{"key": each.run.key} for each in demo]}))
    for _ in range(2):  # drawn again, it takes the place of the first
        assert "and into MLflow, experiment offline_rl/demo" in call(cli.table, ["ilq-table-1", "--sweep", "demo"])
    experiment = store.client.get_experiment_by_name("offline_rl/demo").experiment_id
    (run,) = store.client.search_runs([experiment])
    assert run.info.run_name == run.data.tags[Tag.DOCUMENT] == "table ilq-table-1"
    names = {each.path for each in store.client.list_artifacts(run.info.run_id)}
    assert names == {f"ilq-table-1.{suffix}" for suffix in ("csv", "html", "json", "md", "tex", "txt")}
    assert "hopper-medium-expert" in run.data.tags[Tag.NOTE] or "See the artifacts" in run.data.tags[Tag.NOTE]


def test_records_and_single_formats_write_nothing_into_mlflow(store: Any, demo: list[RunResult]) -> None:
    for each in demo:
        store.write(each)
    before = len(store.client.search_experiments())
    call(export_command.export, [])
    call(cli.table, ["ilq-table-1", "--records", str(store.path.parent / "records")])
    call(cli.table, ["ilq-table-1", "--format", "csv"])
    assert len(store.client.search_experiments()) == before

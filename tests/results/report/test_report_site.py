"""How a site is written: whole, over an earlier report and over nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from results.report.site import MARKER, page_json, write_site
from results.run_places import file_place, mlflow_id, sources
from sweeps.cli import main
from tests.results.report.sites import hostile_runs


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out, {"old.html": "old", "tables/a.html": "a"})
    write_site(out, {"index.html": "new"})
    assert (out / "index.html").read_text() == "new"
    assert not (out / "old.html").exists()
    assert (out / "assets" / "site.js").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(RepriseError, match="holds other files than a report"):
        write_site(out, {"index.html": "new"})
    assert (out / "thesis.tex").read_text() == "mine"


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file")
    with pytest.raises(RepriseError, match="is no folder"):
        write_site(tmp_path / "site", {"index.html": "new"})


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    write_site(tmp_path / "site", {"index.html": "new"})
    assert (tmp_path / "site" / MARKER).is_file()


def test_an_interrupted_report_leaves_the_last_one(tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out, {"index.html": "first"})
    with pytest.raises(FileExistsError):
        write_site(out, {"index.html": "second", "index.html/below": "cannot be"})
    assert (out / "index.html").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_json_in_a_page_cannot_end_its_element() -> None:
    value = {"label": "</script><!-- <script> & \u2028 \u2029"}
    text = page_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("place", "stored", "filed"),
    [
        ("sqlite:////home/a/mlflow.db run 0f3c", "0f3c", ""),
        ("/home/somebody/records/ilq.jsonl:12", "", "ilq.jsonl:12"),
    ],
)
def test_places_are_shown_without_the_folders_of_a_machine(place: str, stored: str, filed: str) -> None:
    assert (mlflow_id(place), file_place(place)) == (stored, filed)


def test_the_command_shows_the_home_beside_the_suites_records(
    store: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from results.report import at_hand, command

    written: dict[str, str | bytes] = {}
    monkeypatch.setattr(command, "site", lambda found, say: [("index.html", " ".join(found.sources))])
    monkeypatch.setattr(command, "write_site", lambda folder, files: written.update(files))
    monkeypatch.setattr(at_hand, "COMMITTED", tmp_path / "committed")
    from benchmarks.record_files import write_records

    runs = hostile_runs()
    write_records(tmp_path / "committed" / "some.jsonl", runs[1:4])
    for run in runs[:2]:
        store.write(run)  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as left:
        main(["report", "--out", str(tmp_path / "site")])
    assert left.value.code == 0
    assert written["index.html"] == "MLflow (2 runs) some.jsonl (2 runs)"
    assert "wrote" in capsys.readouterr().out


def test_a_sweep_that_never_ran_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["report", "--sweep", "nothing", "--out", str(tmp_path / "site")])
    assert left.value.code == 2
    assert "nothing" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_runs_say_where_they_were_read() -> None:
    places = ["sqlite:////home/x/mlflow.db run 0123abcd", "/home/x/a.jsonl:1", "/home/x/a.jsonl:2"]
    assert sources(places) == ["MLflow (1 run)", "a.jsonl (2 runs)"]

"""`reprise figure`: from records to a drawing, its caption and the table of verdicts."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.base import Point, RepriseError, RunResult, home
from benchmarks.record_files import write_records
from results import published_curves
from results.figure_command import figure
from results.figure_spec import FOLDER
from sweeps.cli import main
from sweeps.listing import figures

Maker = Callable[..., RunResult]
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def call(*words: str) -> str:
    application = typer.Typer()
    application.command()(figure)
    done = CliRunner().invoke(application, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def records(tmp_path: Path, result: Maker) -> Path:
    """Two tasks: three seeds close to the paper's curve, and one seed far below it."""
    curves = published_curves.load("ilq_curves")
    made = []
    for task, shift, seeds in (("halfcheetah-random", 0.0, 3), ("hopper-random", -15.0, 1)):
        curve = curves["Fig. 6", f"{task}-v2", "ILQ"]
        for seed in range(seeds):
            points = [
                Point("normalized_score", int(step), float(score) + shift + 0.5 * seed)
                for step, score in zip(curve.steps[:10], curve.mean[:10], strict=True)
            ]
            made.append(replace(result(task, "ilq", seed, tier="early", sweep=task), curve=points))
    path = tmp_path / "early.jsonl"
    write_records(path, made)
    return path


def test_the_figure_its_caption_and_its_verdicts_are_written_and_printed(records: Path) -> None:
    printed = call("ilq-early", "--records", str(records))
    folder = home() / "results" / "ilq-early-early"
    names = ["ilq-early.csv", "ilq-early.json", "ilq-early.md", "ilq-early.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all(f"wrote {folder / name}" in printed for name in names)
    assert "agrees" in printed
    assert "not run yet" in printed
    assert (folder / "ilq-early.png").read_bytes().startswith(MAGIC["png"])
    text = (folder / "ilq-early.md").read_text()
    assert text.startswith(
        "![ILQ at published settings: its first steps over the paper's learning curves](ilq-early.png)\n"
    )
    assert "| halfcheetah-random | 50,000 | 3 |" in text
    assert "| walker2d-medium-replay |" + 7 * " \N{EN DASH} |" + " not run yet |\n" in text
    with (folder / "ilq-early.csv").open(newline="") as file:
        rows = {(row["row"], row["column_group"]): row for row in csv.DictReader(file)}
    assert rows["halfcheetah-random", "verdict"]["remark"] == "agrees"
    assert float(rows["halfcheetah-random", "difference"]["value"]) == pytest.approx(0.5)
    assert rows["hopper-random", "verdict"]["remark"] == "undecided, outside"
    assert rows["hopper-random", "verdict"]["footnotes"] == "Fewer than 3 seeds."
    assert float(rows["hopper-random", "difference"]["value"]) == pytest.approx(-15.0)
    table = json.loads((folder / "ilq-early.json").read_text())
    assert [row["header"]["key"] for row in table["groups"][0]["rows"]][:2] == [
        "halfcheetah-random",
        "halfcheetah-medium",
    ]


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_equal_runs_give_an_equal_file_in_every_format(records: Path, tmp_path: Path, form: str) -> None:
    files = []
    for name in ("one", "two"):
        call("ilq-early", "--records", str(records), "--format", form, "--out", str(tmp_path / name))
        files.append((tmp_path / name / f"ilq-early.{form}").read_bytes())
    assert files[0].startswith(MAGIC[form])
    assert files[0] == files[1]


def test_the_suites_command_finds_the_figure_and_lists_it(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["figure", "ilq-early", "--records", str(records), "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    assert (tmp_path / "out" / "ilq-early.png").is_file()
    with pytest.raises(SystemExit) as ended:
        main(["figure", "ilq-erly"])
    assert ended.value.code == 2
    assert "unknown figure 'ilq-erly'; did you mean 'ilq-early'" in capsys.readouterr().err
    assert {row["figure"]: row["needs"] for row in figures()}["ilq-early"] == "finished runs of offline_rl, tier early"


def test_a_new_figure_is_one_file(records: Path, tmp_path: Path) -> None:
    text = (FOLDER / "ilq-early.yaml").read_text()
    kept = text[: text.index("  - {task: halfcheetah-medium,")].replace("id: ilq-early", "id: mine")
    path = tmp_path / "mine.yaml"
    path.write_text(kept.replace("until: 50000", "until: 30000"))
    printed = call(str(path), "--records", str(records), "--out", str(tmp_path / "out"))
    assert "1 of 1 task." in printed
    assert (tmp_path / "out" / "mine.png").is_file()


def test_sweeps_narrow_the_runs_and_may_be_several(records: Path, tmp_path: Path) -> None:
    folder = home() / "sweeps"
    folder.mkdir(parents=True)
    for task in ("halfcheetah-random", "hopper-random"):
        lines = [json.loads(line) for line in records.read_text().splitlines()]
        keys = [line["key"] for line in lines if line["run"]["task"] == task]
        (folder / f"{task}.json").write_text(json.dumps(keys))
    only = ("ilq-early", "--records", str(records), "--out", str(tmp_path / "out"))
    assert "Tier early, 1 of 6 tasks." in call(*only, "--sweep", "hopper-random")
    assert "Tier early, 2 of 6 tasks." in call(*only, "--sweep", "hopper-random", "--sweep", "halfcheetah-random")
    with pytest.raises(RepriseError, match="unknown sweep"):
        call(*only, "--sweep", "hopper-randm")


def test_a_figure_of_nothing_writes_nothing(records: Path, tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="no run of tier 'paper'; there are runs of early"):
        call("ilq-early", "--records", str(records), "--tier", "paper", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_committed_records_draw_what_small_faces_cost(tmp_path: Path) -> None:
    """Its metrics carry the name of the test protocol, as the runs do."""
    records = Path(__file__).parents[2] / "results" / "records"
    call("synthfaces-accuracy-cost", "--records", str(records), "--out", str(tmp_path))
    with (tmp_path / "synthfaces-accuracy-cost.csv").open() as file:
        found = [row for row in csv.DictReader(file) if row["value"]]
    assert {row["row"] for row in found} >= {"mogface", "efficientface"}, found[:3]

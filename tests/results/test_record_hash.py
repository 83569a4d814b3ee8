"""A record that was edited is found out; one without a hash is taken only where that is asked for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import read_records, write_records

Maker = Callable[..., RunResult]
COMMITTED = Path(__file__).parents[2] / "results" / "records"


@pytest.fixture
def path(result: Maker, tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    write_records(path, [result(seed=seed, score=40.5) for seed in range(3)])
    return path


def edit(path: Path, number: int, old: str, new: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    path.write_text("".join(lines))


def test_each_line_begins_with_the_sha256_of_the_rest(path: Path) -> None:
    for line in path.read_text().splitlines():
        stated = json.loads(line)["sha256"]
        assert hashlib.sha256(line.replace(f'"sha256": "{stated}", ', "", 1).encode()).hexdigest() == stated


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"last": 40.5', '"last": 41.5'),
        ('"normalized_score", 5000, 20.25', '"normalized_score", 5000, 20.26'),
        ('"status": "finished"', '"status": "diverged"'),
        ('"commit": "abc123"', '"commit": "abc124"'),
        ('"tier": "demo"', '"tier": "paper"'),
        ('"batch_size": 64', '"batch_size": 65'),
        ('"sha256": "', '"sha256": "0'),
    ],
)
def test_an_edited_line_is_named_with_its_file_run_and_remedy(path: Path, old: str, new: str) -> None:
    edit(path, 2, old, new)
    with pytest.raises(RepriseError) as caught:
        list(read_records(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:2: the record ")
    assert "(iql on hopper-medium, seed 1) was altered" in message
    assert "export it again" in message


def test_no_option_lets_an_edited_line_through(path: Path) -> None:
    edit(path, 3, "41", "42") if "41" in path.read_text().splitlines()[2] else edit(path, 3, "40.5", "42.5")
    with pytest.raises(RepriseError, match=r"mine\.jsonl:3: .* was altered"):
        list(read_records(path, unhashed=True))


def test_lines_of_an_older_version_need_the_option(path: Path) -> None:
    with_hash = [found.result for found in read_records(path)]
    path.write_text(re.sub(r'(?m)^\{"sha256": "\w+", ', "{", path.read_text()))
    with pytest.raises(RepriseError, match=r"mine\.jsonl:1: the record \w{12} \(iql .*carries no hash.*--unhashed"):
        list(read_records(path))
    assert [found.result for found in read_records(path, unhashed=True)] == with_hash


def test_lines_survive_windows_line_ends_and_merging(path: Path, tmp_path: Path) -> None:
    whole = [found.result for found in read_records(path)]
    lines = path.read_text().splitlines()
    (tmp_path / "merged.jsonl").write_bytes("\r\n".join([lines[2], "", lines[0], lines[1]]).encode())
    assert [found.result for found in read_records(tmp_path / "merged.jsonl")] == [whole[2], whole[0], whole[1]]


def test_nan_and_letters_beyond_ascii_keep_their_hash(result: Maker, tmp_path: Path) -> None:
    run = result(status="diverged", summary={"normalized_score": {"last": float("nan")}}, paper="Häfner \u2028 et al.")
    write_records(tmp_path / "r.jsonl", [run])
    ((_, found),) = read_records(tmp_path / "r.jsonl")
    assert found.status == "diverged"
    assert found.summary["normalized_score"]["last"] != found.summary["normalized_score"]["last"]
    assert found.run.labels["paper"] == run.run.labels["paper"]


def test_every_committed_record_is_as_it_was_written() -> None:
    assert sum(1 for _ in read_records(COMMITTED)) >= 170

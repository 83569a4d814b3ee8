"""Records: finished runs as JSON lines, each under the hash of its own text. The form in which evidence is committed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.base import Json, RepriseError, RunResult
from benchmarks.whole_file import write_whole

HASHED = re.compile(r'\{"sha256": "([0-9a-f]{64})", (.*\})', re.DOTALL)
"""A line with its hash, which is that of the same line without its first member."""

AGAIN = "export it again (`reprise export`)"


class Found(NamedTuple):
    """A run's result and the place it was read from, for messages."""

    place: str
    result: RunResult


def read_records(path: Path, *, unhashed: bool = False, curves: bool = True) -> Iterator[Found]:
    """Every record of a `.jsonl` file, or of all such files in a folder (by name); without `curves` these stay empty.

    Raises RepriseError naming file, line and run where a line is not as `write_records` wrote it. `unhashed` also takes lines
    without a hash, as older versions wrote them. Lines taken away whole leave no trace: each stands for itself, so that files
    can be merged and cut.
    """
    for file in _files(path):
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    place = f"{file}:{number}"
                    yield Found(place, parse_record(_checked(line.strip(), place, unhashed), place, curves))


def parse_record(text: str, place: str, curve: bool = True) -> RunResult:
    """A RunResult from its JSON, without its curve where nobody asks for it; raises RepriseError that begins with the place."""
    try:
        record = json.loads(text)
        return RunResult.from_json(record if curve else {**record, "curve": []})
    except RepriseError as error:
        raise RepriseError(f"{place}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RepriseError(f"{place}: not the record of a run ({type(error).__name__}: {error}); {AGAIN}") from None


def write_records(path: Path, results: Iterable[RunResult]) -> int:
    """Write records ordered by task, method, seed and key, whole or not at all; return how many."""
    ordered = sorted(results, key=lambda result: (result.run.task, result.run.method, result.run.seed, result.run.key))
    write_whole(path, "".join(_line(result.to_json()) for result in ordered))
    return len(ordered)


def unique(found: Iterable[Found]) -> Iterator[Found]:
    """Each run once. A key found again with the same values is passed over; with different ones it is an error."""
    known: dict[str, Found] = {}
    for each in found:
        first = known.setdefault(each.result.run.key, each)
        if first is each:
            yield each
        else:
            refuse_contradiction(first, each)


def refuse_contradiction(first: Found, second: Found) -> None:
    """Raise RepriseError where two results of one run differ in status, summary or curve."""
    if _values(first.result) != _values(second.result):
        raise RepriseError(
            f"run {named(second.result)} has two different results: {first.place} and {second.place}; "
            "find out which one is wrong and remove it"
        )


def named(result: RunResult) -> str:
    """`0123456789ab (ilq on hopper-medium, seed 0)`: a run in a message."""
    run = result.run
    return f"{run.key[:12]} ({run.method} on {run.task}, seed {run.seed})"


def text_hash(text: str) -> str:
    """sha256 (hexadecimal) of a record's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RepriseError(f"no records at {path}; give a .jsonl file or a folder of them, as `reprise export` writes")
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise RepriseError(f"{path} holds no .jsonl file; `reprise export` writes some")
    return files


def _line(record: Json) -> str:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return f'{{"sha256": "{text_hash(text)}", {text[1:]}\n'


def _checked(line: str, place: str, unhashed: bool) -> str:
    """A line without its hash; raises RepriseError where the hash is another one, or missing."""
    matched = HASHED.fullmatch(line)
    if matched is None and '"sha256"' not in line[:20]:
        if unhashed:
            return line
        parse_record(line, place)  # what is no record at all is not worth a word about its hash
        raise RepriseError(
            f"{place}: the record {_claimed(line)} carries no hash, an older Reprise wrote it; {AGAIN}, or take it as it is: "
            "`reprise import --unhashed`"
        )
    text = "{" + matched[2] if matched else line
    if matched is None or text_hash(text) != matched[1]:
        raise RepriseError(
            f"{place}: the record {_claimed(line)} was altered after it was written (its sha256 is another); "
            f"restore the line from where it came, or {AGAIN}"
        )
    return text


def _claimed(line: str) -> str:
    """Which run a line says it is of; the line may be damaged."""
    try:
        record = json.loads(line)
        run = record["run"]
        return f"{str(record['key'])[:12]} ({run['method']} on {run['task']}, seed {run['seed']})"
    except (KeyError, TypeError, ValueError):
        return "(of an unreadable run)"


def _values(result: RunResult) -> str:
    """What must be equal when a run is found twice; repr, because a diverged run may hold NaN."""
    summary = {metric: dict(sorted(statistics.items())) for metric, statistics in sorted(result.summary.items())}
    points = sorted((point.metric, point.step, repr(point.value)) for point in result.curve)
    return repr((result.status, summary, points))

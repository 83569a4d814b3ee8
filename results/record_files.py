"""Records: finished runs as JSON lines (`RunResult.to_json`, a run a line), the form in which evidence is committed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.base import Json, RepriseError, RunResult
from benchmarks.whole_file import write_whole


class Found(NamedTuple):
    """A run's result and the place it was read from, for messages."""

    place: str
    result: RunResult


def read_records(path: Path) -> Iterator[Found]:
    """Every record of a `.jsonl` file, or of all such files in a folder (by name). Raises RepriseError naming file and line."""
    if path.is_dir():
        files = sorted(path.glob("*.jsonl"))
        if not files:
            raise RepriseError(f"{path} holds no .jsonl file; `reprise export` writes some")
    elif path.is_file():
        files = [path]
    else:
        raise RepriseError(f"no records at {path}; give a .jsonl file or a folder of them, as `reprise export` writes")
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    place = f"{file}:{number}"
                    yield Found(place, parse_record(line, place))


def parse_record(text: str, place: str) -> RunResult:
    """A RunResult from its JSON; raises RepriseError that begins with the place."""
    try:
        return RunResult.from_json(json.loads(text))
    except RepriseError as error:
        raise RepriseError(f"{place}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RepriseError(
            f"{place}: not the record of a run ({type(error).__name__}: {error}); export it again"
        ) from None


def write_records(path: Path, results: Iterable[RunResult]) -> int:
    """Write records ordered by task, method, seed and key, whole or not at all; return how many."""
    ordered = sorted(results, key=lambda result: (result.run.task, result.run.method, result.run.seed, result.run.key))
    write_whole(path, "".join(_line(result.to_json()) for result in ordered))
    return len(ordered)


def _line(record: Json) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n"

"""Local data sets: collected from committed behaviour policies, written as Minari sets (protocol, section 6.2).

A set `local/{env}-{kind}-v5-n{N}-s{seed}-v0` lies in `<home>/datasets`: the Minari set, a flat copy of its rows, `manifest.json`.
It holds complete episodes in the order of their numbers, cut to N rows as D4RL cuts its arrays; the row at the cut is neither a
terminal nor a time-out. `medium-expert` is medium up to its last complete episode, followed by expert. `medium-replay` re-rolls
the snapshots of training: the rows that SAC itself had stored were never kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.base import Artifact, Json, Progress, Report, home
from benchmarks.d4rl import flat, set_record
from benchmarks.d4rl.collect import Episode, collect, cut
from benchmarks.d4rl.environments import check_mujoco, environment
from benchmarks.d4rl.minari_store import HDF5, flat_rows, read_episodes, write_set
from benchmarks.d4rl.own_references import EPISODES, own_reference
from benchmarks.d4rl.own_set import FLAT, MANIFEST, LocalSet
from benchmarks.d4rl.recipes import Segment, identity, segments

VERSION = 1
"""Raised whenever the same policies and seed would give other data."""


class SetArtifact(Artifact):
    """A local set as an artifact: it lies under its name among the Minari sets instead of under its key."""

    @property
    def folder(self) -> Path:
        return home() / "datasets" / str(self.identity["set"])

    def ready(self) -> bool:
        path = self.folder / "artifact.json"
        return path.exists() and json.loads(path.read_text())["key"] == self.key


def artifact(wanted: LocalSet, threads: int | None = None) -> SetArtifact:
    """The artifact that builds a local set; raises RepriseError where its behaviour policies do not exist.

    `threads` simulate (default: every core this process may use).
    """
    needs = tuple(artifact(part, threads) for part in wanted.parts)
    about: dict[str, Json] = {
        "set": wanted.name,
        "environment": environment(wanted.task.environment).gym_id,
        "rows": wanted.rows,
        "seed": wanted.seed,
        "version": VERSION,
    }
    if needs:
        about["parts"] = [need.key for need in needs]
    else:
        about |= identity(segments(wanted.task))
    return SetArtifact("dataset", about, partial(_build, wanted, threads), needs, f"data {wanted.name}")


def _build(wanted: LocalSet, threads: int | None, folder: Path, report: Report) -> None:
    episodes, behaviours = _joined(wanted) if wanted.parts else _collected(wanted, report, threads)
    env = wanted.task.environment
    own = {kind: own_reference(env, kind, threads) for kind in EPISODES}
    known = {"ref_min_score": own["random"], "ref_max_score": own["expert"]}
    minari_metadata: dict[str, Json] = {
        "algorithm_name": "SAC" if wanted.task.kind != "random" else "uniform actions",
        "author": {"Reprise"},
        "description": f"{wanted.name}: built by '{wanted.command}'. Not a D4RL set.{_rolled_again(behaviours)}",
        "requirements": [f"mujoco=={check_mujoco()}", f"gymnasium=={version('gymnasium')}"],
        **{key: entry["mean_return"] for key, entry in known.items() if entry},
    }
    write_set(folder, wanted.name, env, episodes, minari_metadata)
    copy = flat.write(folder / FLAT, flat_rows(episodes), folder / HDF5)
    record = {**set_record.manifest(wanted, episodes, copy, behaviours, own), "build_version": VERSION}
    (folder / MANIFEST).write_text(json.dumps(record, indent=1))


def _joined(wanted: LocalSet) -> tuple[list[Episode], list[Json]]:
    first, second = (read_episodes(part.folder) for part in wanted.parts)
    manifests = [part.manifest() for part in wanted.parts]
    assert all(manifests), "an artifact's needs are built before it"
    behaviours = [about for manifest in manifests if manifest for about in manifest["behaviours"]]
    return [*(episode for episode in first if episode.complete), *second], behaviours


def _collected(wanted: LocalSet, report: Report, threads: int | None) -> tuple[list[Episode], list[Json]]:
    """Whole episodes of every segment until its share of the rows is reached, the last one cut."""
    source = segments(wanted.task)
    episodes: list[Episode] = []
    behaviours: list[Json] = []
    for number, segment in enumerate(source, start=1):
        before = sum(map(len, episodes))
        due = wanted.rows * number // len(source) - before
        if due > 0:  # else the episodes before went beyond their share by more than this one
            episodes += _episodes(wanted, segment, due, threads, _after(before, wanted.rows, report))
        rows = min(sum(map(len, episodes)), wanted.rows) - before
        behaviours.append({**segment.about, "rows": rows} if len(source) > 1 else dict(segment.about))
    return cut(episodes, wanted.rows), behaviours


def _episodes(
    wanted: LocalSet, segment: Segment, rows: int, threads: int | None, hear: Callable[[int], None]
) -> list[Episode]:
    env = wanted.task.environment
    return collect(env, segment.behaviour, segment.stream, wanted.seed, rows=rows, threads=threads, progress=hear)


def _after(before: int, rows: int, report: Report) -> Callable[[int], None]:
    """Hears the rows of a segment and reports those of the set."""
    return lambda done: report(Progress(min(before + done, rows), rows))


def _rolled_again(behaviours: list[Json]) -> str:
    if len(behaviours) < 3:
        return ""
    return f" Re-rolled from {len(behaviours)} policies in the order of training; it is not the replay buffer of that training."

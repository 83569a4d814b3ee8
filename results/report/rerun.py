"""The command that makes the runs of a cell again, from what they say of themselves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from benchmarks.base import Run


def rerun(runs: Sequence[Run]) -> str:
    """`reprise run SWEEP --tier T --tasks A --methods M --seeds 0,1,2`, a line for each sweep and tier the runs are of.

    Empty for runs that do not say their sweep. A grid's variant, `ilq[delta=2]`, is asked for by the variant it was spread from.
    """
    commands = []
    of_sweep: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        sweep = run.labels.get("sweep", "")
        if sweep:
            of_sweep.setdefault((sweep, run.labels.get("tier", "")), []).append(run)
    for (sweep, tier), members in sorted(of_sweep.items()):
        variants = dict.fromkeys(run.labels.get("variant", run.method).partition("[")[0] for run in members)
        words = ["reprise", "run", sweep]
        words += ["--tier", tier] if tier else []
        words += ["--tasks", ",".join(dict.fromkeys(run.task for run in members))]
        words += ["--methods", ",".join(variants)]
        words += ["--seeds", seed_list(sorted({run.seed for run in members}))]
        commands.append(shlex.join(words))
    return "\n".join(commands)


def seed_list(seeds: Sequence[int]) -> str:
    """As `reprise run` reads it: one seed alone needs the comma, or it would be a number of seeds."""
    return f"{seeds[0]}," if len(seeds) == 1 else ",".join(map(str, seeds))

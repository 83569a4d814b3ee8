"""From runs and claims to judgements: which runs may confirm a number, families, totals, directions, and every claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import Found
from results import published
from results.collect import tidy
from results.judging.coverage import every_claim
from results.judging.judge import judge
from results.judging.model import ALL_TASKS, Judged, Judgements
from results.judging.summary import as_json, summary
from results.selection import Choice
from results.table_files import FOLDER, load_spec
from results.verdict.words import Direction, Verdict

Maker = Callable[..., RunResult]
PAPER = {"tier": "paper", "data_kind": "d4rl"}
SEEDS = (-6.0, -3.0, 0.0, 3.0, 6.0)


@pytest.fixture(scope="module")
def claims() -> pd.DataFrame:
    return published.load("offline_rl")


def frame(results: Sequence[RunResult]) -> pd.DataFrame:
    return tidy([Found("here", each) for each in results], curves=False)


def runs(result: Maker, task: str, variant: str, mean: float, **labels: Any) -> list[RunResult]:
    version = labels.pop("version", "v2")
    environment = f"{task.split('-')[0].capitalize()}-{version}, gymnasium 1.4.0"
    return [
        result(task, variant, seed, mean + shift, environment=environment, **labels) for seed, shift in enumerate(SEEDS)
    ]


def judged(results: Sequence[RunResult], claims: pd.DataFrame, name: str = "ilq-table-1", **more: Any) -> Judgements:
    return judge(load_spec(name), frame(results), claims, Choice("last"), **more)


def of(found: Judgements, task: str, method: str) -> Judged:
    return next(each for each in found.numbers if (each.place.task, each.place.method) == (task, method))


def test_runs_of_the_paper_tier_on_the_papers_data_are_judged(result: Maker, claims: pd.DataFrame) -> None:
    results = [
        *runs(result, "hopper-medium", "ilq", 70.0, **PAPER),
        *runs(result, "hopper-medium", "bc", 53.4, **PAPER),
        *runs(result, "hopper-medium-expert", "ilq", 112.0, **PAPER),
    ]
    found = judged(results, claims)
    bad, open_ = of(found, "hopper-medium", "ILQ"), of(found, "hopper-medium", "BC")
    assert (bad.published, bad.outcome.rule, len(bad.outcome.readings)) == (92.1, "A", 2)
    # Twelve cells of one column: the smallest p of a family of twelve is adjusted twelvefold, whatever has run.
    assert all(r.p_adjusted == pytest.approx(min(1.0, 12 * r.test.p)) for r in bad.outcome.readings)
    assert bad.outcome.difference == pytest.approx(-22.1)
    assert (open_.outcome.rule, open_.quoted) == ("B", True)
    assert found.counts[Verdict.NOT_COMPARABLE] == 0
    assert sum(found.counts.values()) == len(found.numbers) + 1  # and the ranking of ILQ against BC
    assert not any(each.comparison for each in found.compared)


def test_a_clear_miss_contradicts(result: Maker, claims: pd.DataFrame) -> None:
    found = judged(runs(result, "hopper-medium", "ilq", 20.0, **PAPER), claims)
    assert of(found, "hopper-medium", "ILQ").outcome.verdict is Verdict.NOT_REPRODUCED
    assert found.contradicts
    assert found.counts[Verdict.NOT_REPRODUCED] == 1


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"tier": "mini", "data_kind": "d4rl"}, "tier mini"),
        ({"tier": "paper", "data_kind": "rebuilt"}, "rebuilt data"),
        ({"tier": "paper", "data_kind": "d4rl", "version": "v5"}, "environment v5, not v2"),
    ],
)
def test_any_difference_of_tier_data_or_environment_is_not_comparable(
    result: Maker, claims: pd.DataFrame, labels: dict[str, str], reason: str
) -> None:
    found = judged(runs(result, "hopper-medium", "ilq", 92.0, **labels), claims)
    outcome = of(found, "hopper-medium", "ILQ").outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_COMPARABLE, reason)
    assert found.counts[Verdict.NOT_RUN] == len(found.numbers) - 1


def test_another_environment_version_is_held_against_the_paper_only_when_asked_and_with_a_warning(
    result: Maker, claims: pd.DataFrame
) -> None:
    found = judged(runs(result, "hopper-medium", "ilq", 92.0, version="v5", **PAPER), claims, any_environment=True)
    assert of(found, "hopper-medium", "ILQ").outcome.rule == "A"
    assert "environment v5" in found.warnings[0]


def test_a_margin_that_is_asked_for_replaces_the_metrics_and_stands_in_the_report(
    result: Maker, claims: pd.DataFrame
) -> None:
    found = judged(runs(result, "hopper-medium", "ilq", 85.0, **PAPER), claims, margin=30.0)
    assert of(found, "hopper-medium", "ILQ").outcome.verdict is Verdict.REPRODUCED
    assert (found.margin, as_json(found)["margin"]) == (30.0, 30.0)
    assert "margin 30 as asked" in summary(found)[0]


def test_without_runs_every_number_is_not_run(claims: pd.DataFrame, result: Maker) -> None:
    found = judged([result(task="walker2d-expert")], claims)
    assert {each.outcome.verdict for each in found.numbers} == {Verdict.NOT_RUN}
    assert (found.compared, found.contradicts) == ((), False)


def test_a_derived_number_is_shown_and_never_judged(result: Maker, claims: pd.DataFrame) -> None:
    results = runs(result, "hopper-medium", "ilq", 90.0, **PAPER)
    found = judge(load_spec("ilq-table-1"), frame(results), claims, Choice("final10"))
    outcome = of(found, "hopper-medium", "ILQ").outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_JUDGED, "the published number is derived")


def test_a_total_is_judged_where_every_task_was_run(result: Maker, claims: pd.DataFrame) -> None:
    spec = load_spec("ilq-table-1")
    table = claims[(claims["table"] == "ILQ paper Table 1") & (claims["method"] == "ILQ")].set_index("task")["value"]
    results = [each for task in spec.tasks for each in runs(result, task, "ilq", float(table[f"{task}-v2"]), **PAPER)]
    total = of(judged(results, claims), "Total", "ILQ")
    assert (total.published, total.outcome.verdict, total.outcome.rule) == (920.4, Verdict.REPRODUCED, "A")
    assert total.outcome.margin == pytest.approx(46.02)
    some = of(judged(results[5:], claims), "Total", "ILQ")
    assert (some.outcome.verdict, some.outcome.reason) == (Verdict.NOT_RUN, "11 of 12 tasks were run")


def test_on_rebuilt_data_the_method_under_test_is_compared_with_every_other_in_the_class_of_directions(
    result: Maker, claims: pd.DataFrame
) -> None:
    results = [
        *(each for task in ("hopper-medium", "hopper-medium-expert") for each in runs(result, task, "ilq", 80.0)),
        *(each for task in ("hopper-medium", "hopper-medium-expert") for each in runs(result, task, "bc", 30.0)),
        *runs(result, "hopper-medium", "iql", 99.0),
    ]
    found = judged(results, claims)
    words = {
        (each.task, each.b): each.comparison.direction for each in found.compared if each.comparison and each.a == "ILQ"
    }
    assert words == {
        ("hopper-medium", "BC"): Direction.AGREES,
        ("hopper-medium-expert", "BC"): Direction.AGREES,
        (ALL_TASKS, "BC"): Direction.AGREES,
        ("hopper-medium", "IQL"): Direction.DISAGREES,
    }
    assert (found.directions[Direction.AGREES], found.directions[Direction.DISAGREES]) == (3, 1)
    assert found.counts[Verdict.REPRODUCED] == found.counts[Verdict.NOT_REPRODUCED] == 0
    assert found.contradicts
    first, second = summary(found)
    assert "0 reproduced, 0 not reproduced, 0 inconclusive, 5 not comparable, 169 not run" in first
    assert second == "Directions (tier demo, rebuilt data, 5 seeds): 3 agree, 1 disagree, 0 undecided."


def test_runs_that_may_confirm_are_ranked_in_the_published_order(result: Maker, claims: pd.DataFrame) -> None:
    results = [
        *runs(result, "hopper-medium", "ilq", 90.0, **PAPER),
        *runs(result, "hopper-medium", "bc", 50.0, **PAPER),
    ]
    (ranked,) = judged(results, claims).compared
    assert (ranked.a, ranked.b, ranked.comparison) == ("ILQ", "BC", None)
    assert ranked.ranking is not None
    assert (ranked.ranking.verdict, ranked.ranking.ahead) == (Verdict.REPRODUCED, 1)


def test_a_gain_is_judged_as_the_claim_itself_and_a_stated_one_was_read(result: Maker) -> None:
    task = "RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x"
    results = []
    for variant, ap in (("plain", 37.0), ("fgd", 40.1), ("dmkd", 41.1)):
        for seed, shift in enumerate((-0.2, 0.0, 0.2)):
            made = result(
                task,
                variant,
                seed,
                summary={"AP": {"last": ap + shift + 0.01 * seed * (variant == "fgd")}},
                tier="paper",
                data_kind="COCO 2017",
            )
            results.append(_of_family(made, "distillation"))
    found = judged(results, published.load("distillation"), "distillation-retinanet")
    numbers = {(each.place.method, each.place.metric): each for each in found.numbers}
    gain = numbers["FGD", "AP over plain"]
    assert gain.published == pytest.approx(40.7 - 37.4, abs=0.4)
    assert (gain.outcome.rule, gain.outcome.margin) == ("B", 0.5)
    assert gain.ours is not None
    assert gain.ours.mean == pytest.approx(3.11)
    stated = numbers["DMKD", "AP over plain"]
    assert (stated.published, stated.outcome.verdict) == (4.1, Verdict.REPRODUCED)
    assert numbers["DMKD", "AP"].outcome.verdict is Verdict.NOT_JUDGED


def _of_family(made: RunResult, family: str) -> RunResult:
    return replace(made, run=replace(made.run, family=family))


def test_every_claim_has_a_verdict_or_a_reason(result: Maker, claims: pd.DataFrame) -> None:
    found = judged(runs(result, "hopper-medium", "ilq", 92.0), claims)
    covered = every_claim(claims, [found])
    assert len(covered) == len(claims)
    assert all(each.judged is not None or each.reason for each in covered)
    placed = [each for each in covered if each.table]
    assert len(placed) == len(found.numbers)
    reasons = {each.reason for each in covered if not each.table}
    assert "no table of the suite has a place for it" in reasons
    assert "train_seconds_per_100_steps is never judged as an absolute figure" in reasons


def test_a_method_under_test_that_the_table_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (FOLDER / "ilq-table-1.yaml").read_text()
    path.write_text(text.replace("under_test: [ilq]", "under_test: [ilqq]"))
    with pytest.raises(RepriseError, match="under_test names 'ilqq'"):
        load_spec(str(path))

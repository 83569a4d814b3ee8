"""Which runs enter a table, and which mixtures are refused."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import Found
from results.collect import tidy
from results.selection import Choice, Condition, Selection, foremost, select
from results.table_files import load_spec

Maker = Callable[..., RunResult]
SCOPE = load_spec("ilq-table-1").scope


def frame(*results: RunResult) -> pd.DataFrame:
    return tidy(Found(f"place {index}", each) for index, each in enumerate(results))


def chosen(*results: RunResult, where: tuple[str, ...] = (), **choice: object) -> Selection:
    conditions = tuple(Condition.parse(text) for text in where)
    return select(SCOPE, frame(*results), Choice(**{"statistic": "last", "where": conditions, **choice}))  # type: ignore[arg-type]


def test_the_only_tier_is_taken_without_asking(result: Maker) -> None:
    assert chosen(result(seed=0), result(seed=1)).tier == "demo"


def test_runs_that_were_cut_are_shown_alone_or_where_they_are_asked_for(result: Maker) -> None:
    cut, whole = result(seed=0, tier="early"), result(seed=0, tier="demo", training={"train_steps": 20_000})
    assert chosen(cut).tier == "early"
    assert chosen(cut, whole).tier == "demo"
    assert chosen(cut, whole, tier="early").tier == "early"
    assert foremost({"early", "demo", "mini", "own"}) == ["mini", "demo", "own", "early"]


def test_several_tiers_are_never_mixed(result: Maker) -> None:
    runs = [result(seed=0, tier="demo"), result(seed=0, tier="mini", training={"train_steps": 20_000})]
    with pytest.raises(RepriseError, match=r"tiers demo, mini, .* --tier"):
        chosen(*runs)
    assert chosen(*runs, tier="mini").runs["tier"].tolist() == ["mini"]
    with pytest.raises(RepriseError, match="no run of tier 'paper'; there are runs of demo, mini"):
        chosen(*runs, tier="paper")


def test_runs_of_a_cell_that_differ_in_a_setting_are_refused_by_its_name_and_values(result: Maker) -> None:
    runs = [result("hopper-medium", "ilq", seed, settings={"eta": eta}) for seed in (0, 1) for eta in (0.5, 0.95)]
    with pytest.raises(RepriseError) as caught:
        chosen(*runs)
    message = str(caught.value)
    assert "the runs of ilq on hopper-medium do not belong together" in message
    assert "settings.eta (0.5 or 0.95)" in message
    assert "--where 'ilq:settings.eta=0.5'" in message
    assert "settings.warm" not in message
    kept = chosen(*runs, where=("ilq:settings.eta=0.5",)).runs
    assert sorted(kept["seed"]) == [0, 1]
    assert kept["settings"].str.contains('"eta":0.5').all()


def test_runs_of_a_cell_that_differ_in_their_training_are_refused(result: Maker) -> None:
    runs = [result(seed=0), result(seed=1, training={"train_steps": 12_000})]
    with pytest.raises(RepriseError, match=r"training\.train_steps \(10000 or 12000\)"):
        chosen(*runs)


def test_runs_of_a_row_that_differ_in_their_data_are_refused(result: Maker) -> None:
    runs = [result(variant="iql", dataset_hash="a" * 64), result(variant="cql", dataset_hash="b" * 64)]
    with pytest.raises(RepriseError, match=r"the runs of cql, iql on hopper-medium .* dataset_hash \(a+ or b+\)"):
        chosen(*runs)


def test_methods_may_differ_in_settings_and_tasks_in_data(result: Maker) -> None:
    runs = [
        result("hopper-medium", "iql", settings={"expectile": 0.7}),
        result("hopper-medium", "cql", settings={"alpha": 10.0}),
        result("hopper-medium-expert", "iql", settings={"expectile": 0.9}),
    ]
    assert len(chosen(*runs).runs) == 3


def test_the_newest_version_of_a_method_replaces_the_older_and_says_so(result: Maker) -> None:
    runs = [result(seed=seed, method_version=version) for seed in (0, 1) for version in (1, 2)]
    selection = chosen(*runs, result(variant="bc"))
    assert selection.runs.groupby("variant")["method_version"].unique().map(list).to_dict() == {"bc": [1], "iql": [2]}
    assert selection.remarks == ("2 of iql (method version 1)",)


def test_runs_stopped_early_never_enter_and_diverged_ones_do(result: Maker) -> None:
    runs = [result(seed=0), result(seed=1, status="stopped_early"), result(seed=2, status="diverged")]
    assert chosen(*runs).runs["seed"].tolist() == [0, 2]


def test_runs_of_other_columns_and_tasks_stay_out(result: Maker) -> None:
    runs = [result(), result(variant="edac"), result(task="online/hopper")]
    assert chosen(*runs).runs["variant"].tolist() == ["iql"]
    with pytest.raises(RepriseError, match="no finished run for any of its cells"):
        chosen(result(variant="edac"))


def test_a_statistic_that_no_run_has_is_named_with_those_they_have(result: Maker) -> None:
    with pytest.raises(RepriseError, match=r"no statistic 'final10' .* they have best, last"):
        chosen(
            result(
                summary={"normalized_score": {"last": 1.0, "best": 2.0}},
            ),
            statistic="final10",
        )


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(result: Maker, score: float) -> None:
    with pytest.raises(RepriseError, match=r"place 1: run .*iql on hopper-medium, seed 1"):
        chosen(result(seed=0), result(seed=1, summary={"normalized_score": {"last": score}}))


def test_keys_name_the_runs_that_count(result: Maker) -> None:
    new, old = result(seed=0), result(seed=0, training={"train_steps": 5_000})
    assert chosen(new, old, keys={new.run.key}).runs["run_key"].tolist() == [new.run.key]
    with pytest.raises(RepriseError, match="no finished run among the chosen ones"):
        chosen(new, old, keys={"0" * 64})


def test_a_condition_on_all_columns_spares_runs_without_the_field(result: Maker) -> None:
    runs = [
        result(variant="ilq", settings={"eta": 0.5}),
        result(variant="ilq", settings={"eta": 0.9}),
        result(variant="bc"),
    ]
    assert sorted(chosen(*runs, where=("settings.eta=0.9",)).runs["variant"]) == ["bc", "ilq"]
    assert sorted(chosen(*runs, where=("sweep=demo", "ilq:settings.eta=0.5")).runs["variant"]) == ["bc", "ilq"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings.eta", r"write \[COLUMN:\]FIELD=VALUE"),
        (":settings.eta=1", r"write \[COLUMN:\]FIELD=VALUE"),
        ("settings.etta=1", "unknown field 'settings.etta'; did you mean 'settings.eta'"),
        ("iqql:settings.eta=1", "unknown column 'iqql'; did you mean 'iql'"),
        ("settings.eta=7", "no run has settings.eta=7"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(result: Maker, text: str, message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        chosen(result(variant="ilq", settings={"eta": 0.5}), where=(text,))

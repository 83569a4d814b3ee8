"""Claims: the file as it is, the look-up, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from results import published

GOOD = {
    "family": "offline_rl",
    "table": "A paper",
    "dataset": "D4RL v2",
    "task": "hopper-medium-v2",
    "method": "ILQ",
    "metric": "normalized_score",
    "statistic": "last",
    "value": "92.1",
    "spread": "5.8",
    "spread_kind": "unknown",
    "n_seeds": "5",
    "certainty": "read",
    "source": "A paper, Table 1",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, published.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_every_line_of_the_committed_file_is_a_claim() -> None:
    path = published.FOLDER / "offline_rl.csv"
    with path.open(newline="") as file:
        plain = list(csv.DictReader(file))
    claims = published.load()
    assert len(claims) == len(plain) > 1000
    assert [float(row["value"]) for row in plain] == claims["value"].tolist()
    assert claims["spread"].isna().sum() == sum(row["spread"] == "" for row in plain)


def test_lookup_gives_the_printed_number_with_its_spread_seeds_and_source() -> None:
    claim = published.lookup(published.load(), "ILQ paper Table 1", "hopper-medium-v2", "ILQ", "last")
    assert claim is not None
    assert (claim.value, claim.spread, claim.spread_kind, claim.n_seeds) == (92.1, 5.8, "unknown", 5)
    assert (claim.dataset, claim.certainty) == ("D4RL v2", "read")
    assert "Fig. 6" in claim.source


def test_lookup_of_what_nobody_published_is_none() -> None:
    claims = published.load()
    assert published.lookup(claims, "ILQ paper Table 1", "hopper-medium-v2", "SAC", "last") is None
    assert published.lookup(claims, "ILQ paper Table 1", "hopper-medium-v3", "ILQ", "last") is None


def test_a_claim_of_one_statistic_never_answers_for_another() -> None:
    assert published.lookup(published.load(), "ILQ paper Table 1", "hopper-medium-v2", "ILQ", "final10") is None


def test_a_claim_that_does_not_say_its_statistic_answers_for_any_unless_an_exact_one_exists(tmp_path: Path) -> None:
    vague = GOOD | {"statistic": "unspecified", "value": "50"}
    claims = published.load_file(write(tmp_path / "c.csv", GOOD, vague))
    exact = published.lookup(claims, "A paper", "hopper-medium-v2", "ILQ", "last")
    other = published.lookup(claims, "A paper", "hopper-medium-v2", "ILQ", "final10")
    assert exact is not None
    assert exact.value == 92.1
    assert other is not None
    assert (other.value, other.statistic) == (50.0, "unspecified")


def test_two_claims_that_fit_are_refused_with_their_lines(tmp_path: Path) -> None:
    claims = published.load_file(write(tmp_path / "c.csv", GOOD, GOOD | {"dataset": "D4RL v0"}))
    with pytest.raises(RepriseError, match="lines 2, 3"):
        published.lookup(claims, "A paper", "hopper-medium-v2", "ILQ", "last")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "about 90"}, "value 'about 90' is not a finite number"),
        ({"value": "nan"}, "value 'nan' is not a finite number"),
        ({"value": ""}, "'value' is empty"),
        ({"source": " "}, "'source' is empty"),
        ({"statistic": "final"}, "statistic 'final' is none of last, final10"),
        ({"certainty": "sure"}, "certainty 'sure' is none of"),
        ({"spread": "-1"}, "spread -1 is negative"),
        ({"spread": ""}, "'spread' and 'spread_kind' go together"),
        ({"spread_kind": ""}, "'spread' and 'spread_kind' go together"),
        ({"spread_kind": "sd"}, "spread_kind 'sd' is none of std0"),
        ({"n_seeds": "0"}, "n_seeds '0' is not a positive whole number"),
        ({"n_seeds": "4.5"}, "n_seeds '4.5' is not a positive whole number"),
    ],
)
def test_a_bad_field_is_named_with_file_and_line(tmp_path: Path, change: dict[str, str], message: str) -> None:
    path = write(tmp_path / "claims.csv", GOOD, GOOD | {"task": "other-v2"} | change)
    with pytest.raises(RepriseError) as caught:
        published.load_file(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_a_line_with_an_unquoted_comma_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "claims.csv", GOOD)
    path.write_text(path.read_text().replace('"A paper, Table 1"', "A paper, Table 1"))
    with pytest.raises(RepriseError, match=r"claims\.csv:2: .* 13 fields"):
        published.load_file(path)


def test_missing_columns_are_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("family,table,value\n")
    with pytest.raises(RepriseError, match=r"claims\.csv:1: .*certainty"):
        published.load_file(path)


def test_the_same_claim_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="lines 2 and 3 claim the same number"):
        published.load_file(write(tmp_path / "claims.csv", GOOD, GOOD | {"value": "91"}))


def test_an_unknown_family_names_those_that_have_claims() -> None:
    with pytest.raises(RepriseError, match="offline_rl"):
        published.load("no_such_family")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "distillation", "metric": "AP", "value": "101"}, "AP 101 cannot be; it has 0 to 100 points"),
        ({"family": "distillation", "metric": "AP", "value": "0.415"}, "AP 0.415 reads as a share"),
        (
            {"family": "face_detection", "metric": "params_M", "value": "0"},
            "params_M 0 cannot be; it has above 0 million",
        ),
        ({"metric": "normalised_score"}, "unknown metric 'normalised_score'; did you mean 'normalized_score'"),
    ],
)
def test_a_value_that_its_metric_cannot_have_is_refused(tmp_path: Path, change: dict[str, str], message: str) -> None:
    path = write(tmp_path / "claims.csv", GOOD, GOOD | {"task": "other"} | change)
    with pytest.raises(RepriseError) as caught:
        published.load_file(path)
    assert str(caught.value).startswith(f"{path}:3: {message}")


def test_normalised_scores_may_be_negative_and_above_100(tmp_path: Path) -> None:
    rows = [GOOD | {"value": "-8.9"}, GOOD | {"task": "other", "value": "227.3"}]
    assert list(published.load_file(write(tmp_path / "claims.csv", *rows))["value"]) == [-8.9, 227.3]


def test_every_family_is_loaded_with_the_lines_of_its_own_file() -> None:
    every = published.load_all()
    assert published.families() == sorted(set(every["family"])) == ["distillation", "face_detection", "offline_rl"]
    for family, rows in every.groupby("family"):
        assert list(rows["value"]) == list(published.load(family)["value"])

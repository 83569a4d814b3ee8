"""Published curves: the file as it is, the look-up, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import RepriseError
from results import published_curves
from results.published import FOLDER

HEAD = "figure,task,variant,step,mean,band_low,band_high\n"
GOOD = HEAD + "Fig. 1,hopper,ILQ,10,1,0,2\nFig. 1,hopper,ILQ,20,3,2,4.5\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "my_curves.csv"
    path.write_text(text)
    return path


def test_every_line_of_the_committed_file_is_a_point_of_a_curve() -> None:
    with (FOLDER / "ilq_curves.csv").open(newline="") as file:
        plain = list(csv.DictReader(file))
    curves = published_curves.load("ilq_curves")
    assert len(curves) == 98
    assert {len(curve.steps) for curve in curves.values()} == {200}
    for figure, task, variant in [
        ("Fig. 6", "hopper-medium-v2", "ILQ"),
        ("Fig. 3", "halfcheetah-medium-v2", "eta=0.6"),
    ]:
        rows = [row for row in plain if (row["figure"], row["task"], row["variant"]) == (figure, task, variant)]
        curve = curves[figure, task, variant]
        assert curve.steps.tolist() == [int(row["step"]) for row in rows] == list(range(5_000, 1_000_001, 5_000))
        assert curve.mean.tolist() == [float(row["mean"]) for row in rows]
        assert curve.low.tolist() == [float(row["band_low"]) for row in rows]
        assert curve.high.tolist() == [float(row["band_high"]) for row in rows]


def test_a_curve_at_given_steps_has_those_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    curve = published_curves.load("my_curves", tmp_path)["Fig. 1", "hopper", "ILQ"].at(np.array([20, 30]))
    assert (curve.steps.tolist(), curve.mean.tolist(), curve.low.tolist(), curve.high.tolist()) == (
        [20],
        [3.0],
        [2.0],
        [4.5],
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("band_high", "band_hihg", r"my_curves\.csv:1: the columns are .*must be figure, task, variant"),
        ("3,2,4.5", "3,2", r"my_curves\.csv:3: the line does not have 7 fields"),
        ("3,2,4.5", "3,2,4.5,6", r"my_curves\.csv:3: the line does not have 7 fields"),
        ("ILQ,20", ",20", r"my_curves\.csv:3: 'variant' is empty"),
        ("ILQ,20", "ILQ,2e4", r"my_curves\.csv:3: step '2e4' is not a whole number"),
        ("ILQ,20", "ILQ,10", r"my_curves\.csv:3: step 10 follows step 10 of Fig\. 1, hopper, ILQ"),
        ("3,2,4.5", "nan,2,4.5", r"my_curves\.csv:3: mean 'nan' is not a finite number"),
        ("3,2,4.5", "3,x,4.5", r"my_curves\.csv:3: band_low 'x' is not a finite number"),
        ("3,2,4.5", "3,4.5,2", r"my_curves\.csv:3: the band is upside down, from 4\.5 to 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(RepriseError, match=message):
        published_curves.load("my_curves", tmp_path)


def test_what_was_never_published_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(RepriseError, match="unknown file of published curves 'my_curve'; did you mean 'my_curves'"):
        published_curves.load("my_curve", tmp_path)
    curves = published_curves.load("my_curves", tmp_path)
    assert published_curves.find(curves, "Fig. 1", "hopper", "ILQ", "here").steps.tolist() == [10, 20]
    for wanted, message in [
        (
            ("Fig. 2", "hopper", "ILQ"),
            "here: unknown figure among the published curves 'Fig. 2'; did you mean 'Fig. 1'",
        ),
        (("Fig. 1", "hoper", "ILQ"), "here: unknown task .* did you mean 'hopper'"),
        (("Fig. 1", "hopper", "ILK"), "here: unknown variant .* did you mean 'ILQ'"),
    ]:
        with pytest.raises(RepriseError, match=message):
            published_curves.find(curves, *wanted, "here")

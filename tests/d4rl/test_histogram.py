"""Return histograms: every episode is counted once, lines fit a terminal, figures are drawn and labelled."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.d4rl.histogram import TERMINAL_BINS, figure, lines, save

LINE = re.compile(r" *(-?[\d.]+) to +(-?[\d.]+)  ([█▉▊▋▌▍▎▏]*) (\d+)")

RETURNS = {
    "two": [0.0, 1.0],
    "skewed": np.random.default_rng(0).exponential(1.0, 300).tolist(),
    "many": np.random.default_rng(1).normal(1000.0, 300.0, 50_000).tolist(),
    "far apart": [-1e6, 1e6, 3.0],
    "close together": np.random.default_rng(2).normal(-0.01, 1e-4, 400).tolist(),
    "an outlier": [18.0] * 5000 + [3234.0],
}


def counted(returns: list[float], number: int, bins: int) -> list[int]:
    """Episodes per bin, one by one."""
    low, width = min(returns), (max(returns) - min(returns)) / bins
    counts = [0] * bins
    for value in returns:
        counts[min(int((value - low) / width), bins - 1)] += 1
    assert sum(counts) == number
    return counts


@pytest.mark.parametrize("case", RETURNS)
def test_every_line_fits_and_counts_the_episodes_of_its_bin(case: str) -> None:
    returns = RETURNS[case]
    drawn = lines(returns, 80)
    parts = [LINE.fullmatch(line) for line in drawn]
    assert all(parts)
    assert max(map(len, drawn)) <= 80
    assert len(drawn) == min(TERMINAL_BINS, int(np.ceil(np.sqrt(len(returns)))))
    counts = [int(part[4]) for part in parts if part]
    assert counts == counted(returns, len(returns), len(drawn))
    bars = [len(part[3]) for part in parts if part]
    assert all((bar > 0) == (count > 0) for bar, count in zip(bars, counts, strict=True))
    assert bars.index(max(bars)) == counts.index(max(counts))
    edges = [float(part[1]) for part in parts if part]
    assert edges == sorted(set(edges))


@pytest.mark.parametrize(("returns", "label"), [([5.0], "5"), ([3.25] * 100, "3.25"), ([1.0, 1.0 + 1e-12], "1")])
def test_equal_returns_are_one_line(returns: list[float], label: str) -> None:
    (line,) = lines(returns)
    assert line.split()[0] == label
    assert line.split()[-1] == str(len(returns))
    assert len(line) <= 80


def test_a_terminal_without_blocks_gets_plain_characters_and_no_episodes_no_lines() -> None:
    assert all(line.isascii() for line in lines(RETURNS["skewed"], basic=True))
    assert lines([]) == []


@pytest.mark.parametrize("case", ["many", "two", "an outlier"])
def test_a_figure_says_what_its_axes_are_and_scores_stand_over_their_returns(case: str) -> None:
    axes, scores = figure("local/hopper-medium", RETURNS[case], (-20.0, 3234.0)).axes
    assert axes.get_title() == "local/hopper-medium"
    assert axes.get_xlabel() == "return of an episode"
    assert axes.get_ylabel() == f"episodes (of {len(RETURNS[case]):,})"
    assert scores.get_xlabel() == "normalised score (D4RL references)"
    for place in (0.0, 0.3, 1.0):
        returned, _ = axes.transData.inverted().transform(axes.transAxes.transform((place, 0.0)))
        score, _ = scores.transData.inverted().transform(scores.transAxes.transform((place, 0.0)))
        assert score == pytest.approx(100 * (returned + 20) / 3254)


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_a_figure_is_written_whole_and_alone(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / f"returns.{ending}"
    save(figure("one", [7.0], (-20.0, 3234.0)), path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_bytes().startswith({"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}[ending])


def test_a_png_is_not_empty(tmp_path: Path) -> None:
    save(figure("one", [7.0], (-20.0, 3234.0)), tmp_path / "one.png")
    assert np.ptp(np.asarray(Image.open(tmp_path / "one.png").convert("L"))) > 100


def test_other_formats_and_sets_without_episodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match=r"returns\.gif: the name must end in \.png, \.svg or \.pdf"):
        save(figure("one", [7.0], (0.0, 1.0)), tmp_path / "returns.gif")
    with pytest.raises(RepriseError, match="one has no complete episode"):
        figure("one", [], (0.0, 1.0))
    assert not list(tmp_path.iterdir())

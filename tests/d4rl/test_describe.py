from __future__ import annotations

from benchmarks.d4rl.describe import shown


def test_numbers_are_rounded_and_truths_are_words() -> None:
    assert shown(1234567) == "1,234,567"
    assert shown(0.9902676399) == "0.9903"
    assert shown(12135.04) == "12,135.0"
    assert (shown(True), shown(None), shown("Hopper-v5")) == ("yes", "-", "Hopper-v5")


def test_a_mapping_takes_a_line_per_entry() -> None:
    assert shown({"rank_correlation": 0.86, "met": True}) == "rank correlation: 0.86\nmet: yes"


def test_long_lists_are_abridged() -> None:
    assert shown([1, 2, 3]) == "1, 2, 3"
    assert shown(list(range(9))) == "9 values, 0 to 8, median 4"
    lines = shown([{"step": number, "sha256": "f" * 64} for number in range(9)]).splitlines()
    assert lines == ["step 0", "step 1", "step 2", "... 3 more", "step 6", "step 7", "step 8"]
    assert len(shown([{"step": number} for number in range(6)]).splitlines()) == 6

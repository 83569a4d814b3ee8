"""What a running sweep says of the time left."""

import io

import pytest
from rich.console import Console

from sweeps.progress import PLAIN_EVERY, Display


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a test says so."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def display(**weights):
    return Display(Console(file=io.StringIO()), "mine", weights, slots=2)


def lines(shown):
    return shown.console.file.getvalue().splitlines()


def ticked(shown, clock):
    clock[0] += PLAIN_EVERY + 1
    shown.tick()
    return lines(shown)[-1]


def test_time_left_is_the_pace_of_the_trials_so_far_over_what_runs_at_once(clock):
    shown = display(a=1.0, b=1.0, c=1.0, d=1.0)
    shown.started("a", "first")
    shown.progressed("a", 50, 100, 3.0, spent=300.0)
    assert ticked(shown, clock) == "[mine] 0 of 4 done: first: step 50 of 100, score 3.0, about 18 min left"


def test_a_resumed_trial_is_not_taken_for_a_fast_one(clock):
    """Its first half took 300 seconds in another process; only then was it resumed."""
    shown = display(a=1.0, b=1.0, c=1.0)
    shown.started("a", "first")
    clock[0] += 30.0
    shown.progressed("a", 60, 100, 3.0, spent=360.0)
    clock[0] += 200.0
    shown.progressed("a", 100, 100, 3.0, spent=600.0)
    shown.ended("a", "first", "finished")
    assert lines(shown)[-1].endswith("about 10 min left")


def test_the_last_trial_has_the_other_slots_for_nothing(clock):
    shown = display(a=1.0, b=1.0)
    shown.started("a", "first")
    shown.progressed("a", 100, 100, 3.0, spent=600.0)
    shown.ended("a", "first", "finished")
    assert lines(shown)[-1].endswith("about 10 min left")
    shown.started("b", "second")
    shown.progressed("b", 50, 100, 3.0, spent=300.0)
    assert ticked(shown, clock).endswith("about 5 min left")


def test_nothing_is_said_before_enough_is_done(clock):
    shown = display(a=1.0)
    shown.started("a", "first")
    assert "left" not in ticked(shown, clock)
    shown.progressed("a", 50, 100, 3.0, spent=300.0)
    assert "left" in ticked(shown, clock)


def test_the_score_at_the_end_is_that_of_the_results_not_of_the_last_report(clock):
    shown = display(a=1.0, b=1.0)
    for key, score in (("a", 44.3), ("b", None)):
        shown.started(key, key)
        shown.progressed(key, 100, 100, 42.3, spent=600.0)
        if score is not None:
            shown.scored(key, score)
        shown.ended(key, key, "finished")
    assert [line.split(",")[1] for line in lines(shown) if "finished" in line] == [" score 44.3", " score 42.3"]


def test_a_build_tells_its_steps_and_when_it_is_ready_at_its_own_pace(clock):
    """A build that goes on after an earlier attempt begins to count its seconds anew, not its steps."""
    shown = display(a=1.0)
    shown.building("t", "teacher")
    assert ticked(shown, clock) == "[mine] 0 of 1 done: building teacher: since 16 s"
    shown.progressed("t", 1000, 5000, None, spent=2.0)
    assert ticked(shown, clock) == "[mine] 0 of 1 done: building teacher: step 1000 of 5000"
    shown.progressed("t", 2000, 5000, None, spent=202.0)
    assert ticked(shown, clock) == "[mine] 0 of 1 done: building teacher: step 2000 of 5000, ready in about 10 min"

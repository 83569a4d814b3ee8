"""`reprise data ...` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.base import home
from benchmarks.d4rl.datasets import load
from sweeps.cli import main


@pytest.fixture(autouse=True)
def _behaviours(behaviour_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(behaviour_folder))
    monkeypatch.setenv("COLUMNS", "200")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["data", *words])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_build_describe_verify_list(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "build", "hopper-medium-expert", "--rows", "200")
    assert status == 0
    for kind in ("medium", "expert", "medium-expert"):
        assert f"local/hopper-{kind}-v5-n200-s0-v0: built" in err
    status, _, err = run(capsys, "build", "hopper-medium", "--rows", "200")
    assert (status, "n200-s0-v0: exists" in err) == (0, True)

    status, out, _ = run(capsys, "describe", "hopper-medium", "--rows", "200", "--json")
    told, data = json.loads(out), load("hopper-medium", rows=200)
    assert status == 0
    assert (told["rows"], told["hash"], told["episodes"]) == (
        200,
        data.hash,
        int((data.terminals + data.timeouts).sum()),
    )
    assert told["return_quantiles"]["1.0"] == pytest.approx(max(data.meta["returns"]), abs=0.06)
    assert told["mean_normalized_return_own_references"] is not None

    assert run(capsys, "describe", "local/hopper-expert-v5-n200-s0-v0")[0] == 0
    status, out, _ = run(capsys, "verify")
    assert (status, out.count("all arrays agree")) == (0, 3)
    status, out, _ = run(capsys, "list", "--json")
    listed = {entry["task"]: entry for entry in json.loads(out)}
    assert listed["hopper-medium"]["local"] == ["local/hopper-medium-v5-n200-s0-v0"]
    assert listed["hopper-random"]["buildable"]
    assert not listed["walker2d-medium"]["buildable"]
    assert "hopper-medium-expert" in run(capsys, "list")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("build", "hoper-medium"), "unknown task 'hoper-medium'; did you mean 'hopper-medium'"),
        (("build",), "name at least one task, or use --all"),
        (
            ("build", "hopper-random", "hopper-medium-replay", "--rows", "50"),
            "'hopper-medium-replay' cannot be built yet",
        ),
        (("describe", "hopper-medium"), "build it: reprise data build hopper-medium --rows 100000 --seed 0"),
        (("verify", "hopper-medium"), "build it: reprise data build hopper-medium"),
        (("verify",), "there are no local sets"),
    ],
)
def test_bad_input_ends_with_one_message_and_status_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words)
    assert status == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in out + err
    assert not (home() / "datasets").exists()


def test_fetching_without_network_names_the_local_alternative(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    minari = pytest.importorskip("minari")

    def no_network(name: str) -> None:
        raise ConnectionError("network is unreachable")

    monkeypatch.setattr(minari, "download_dataset", no_network)
    status, _, err = run(capsys, "fetch", "mujoco/walker2d/medium-v0")
    assert status == 2
    assert "could not fetch Minari set 'mujoco/walker2d/medium-v0' (ConnectionError: network is unreachable)" in err
    assert "reprise data build walker2d-medium" in err


def test_a_set_that_is_there_is_not_fetched_again(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "build", "hopper-random", "--rows", "50")
    status, out, _ = run(capsys, "fetch", "local/hopper-random-v5-n50-s0-v0")
    assert (status, "exists" in out) == (0, True)

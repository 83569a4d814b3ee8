"""`reprise data ...` as a user runs it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest

from benchmarks.base import home
from benchmarks.d4rl.commands import fetching
from benchmarks.d4rl.datasets import load
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.rebuild import artifact
from benchmarks.d4rl.tasks import task
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


MEDIUM = "mujoco/walker2d/medium-v0"


def no_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address on this machine where nobody listens."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


def test_fetching_without_network_is_one_line_soon_that_names_the_local_alternative(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_remote(monkeypatch)
    start = time.monotonic()
    status, out, err = run(capsys, "fetch", MEDIUM)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert time.monotonic() - start < fetching.ANSWER_WITHIN
    assert f"could not fetch Minari set '{MEDIUM}' (ConnectError" in err
    assert "reprise data build walker2d-medium" in err
    assert not (home() / "datasets").exists()


def test_a_remote_that_never_answers_is_given_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "ANSWER_WITHIN", 0.2)
    monkeypatch.setattr(fetching, "_ask", threading.Event().wait)
    status, _, err = run(capsys, "fetch", MEDIUM)
    assert status == 2
    assert "TimeoutError: no answer within" in err


def test_what_goes_wrong_while_fetching_is_told_with_the_alternative(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown_id(name: str) -> None:
        raise ValueError(f"Couldn't find any version for dataset {name} in the remote Farama server.")

    monkeypatch.setattr(fetching, "_ask", lambda: None)
    monkeypatch.setattr(minari, "download_dataset", unknown_id)
    status, _, err = run(capsys, "fetch", "mujoco/hopper/great-v0")
    assert status == 2
    assert "(ValueError: Couldn't find any version for dataset mujoco/hopper/great-v0" in err
    assert "reprise data list" in err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mujoco/hopper/medium", "malformed Minari id 'mujoco/hopper/medium'"),
        ("../outside-v0", "malformed Minari id '../outside-v0'"),
        ("hopper-medium", "is a task, not a Minari id; its Minari set is mujoco/hopper/medium-v0"),
        ("hopper-random", "there is no Minari set for it. The suite's own set: reprise data build hopper-random"),
        ("local/hopper-medium-v5-n9-s0-v0", "is a local set: it is built here, not fetched"),
    ],
)
def test_what_is_no_id_of_the_remote_is_refused_unasked(
    name: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_ask", lambda: pytest.fail("the remote was asked"))
    status, _, err = run(capsys, "fetch", name)
    assert status == 2
    assert message in err


def test_a_set_that_is_there_is_not_fetched_again(capsys: pytest.CaptureFixture[str]) -> None:
    artifact(LocalSet(task("hopper-random"), 50, 0)).ensure()
    status, out, _ = run(capsys, "fetch", "local/hopper-random-v5-n50-s0-v0")
    assert (status, "exists" in out) == (0, True)


def damage(path: Path) -> None:
    array = np.load(path)
    array[3] += 1
    np.save(path, array)


def test_verify_looks_at_every_set_before_it_names_the_damaged_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("random", "medium", "expert"):
        artifact(LocalSet(task(f"hopper-{kind}"), 60, 0)).ensure()
    local = home() / "datasets" / "local"
    damage(local / "hopper-expert-v5-n60-s0-v0" / "flat" / "rewards.npy")
    with h5py.File(local / "hopper-medium-v5-n60-s0-v0" / "data" / "main_data.hdf5", "a") as file:
        file["episode_0/actions"][2] = 0.0
    status, out, err = run(capsys, "verify")
    assert status == 2
    assert out.splitlines() == ["local/hopper-random-v5-n60-s0-v0: all arrays agree with the manifest"]
    assert "2 of 3 sets are not what they were" in err
    assert "local/hopper-expert-v5-n60-s0-v0: " in err
    assert "rewards.npy: its hash differs from its manifest" in err
    assert "the hash of local/hopper-medium-v5-n60-s0-v0 differs from its manifest (actions changed)" in err


def d4rl_file(path: Path) -> Path:
    """A file in D4RL's layout: five episodes of ten steps with returns 0, 10, 20, 30 and 40."""
    rng, last = np.random.default_rng(0), np.arange(50) % 10 == 9
    with h5py.File(path, "w") as file:
        file["observations"] = file["next_observations"] = rng.normal(size=(50, 11)).astype(np.float32)
        file["actions"] = rng.uniform(-1, 1, (50, 3)).astype(np.float32)
        file["rewards"] = np.repeat(np.arange(5, dtype=np.float32), 10)
        file["terminals"], file["timeouts"] = last, np.zeros(50, bool)
    return path


def test_an_imported_d4rl_file_is_listed_described_and_verified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, _ = run(capsys, "import", "d4rl", str(d4rl_file(tmp_path / "hopper_medium-v2.hdf5")))
    assert status == 0
    assert "hopper-medium-v2: imported" in out
    assert "50 rows, 5 complete episodes, with next_observations, timeouts" in out
    assert "hopper-medium-v2: exists" in run(capsys, "import", "d4rl", str(tmp_path / "hopper_medium-v2.hdf5"))[1]
    told = json.loads(run(capsys, "describe", "hopper-medium-v2", "--json")[1])
    assert (told["rows"], told["episodes"], told["share_of_terminals"]) == (50, 5, 1.0)
    assert told["return_quantiles"]["0.25"] == 10.0
    assert told["mean_normalized_return_d4rl_references"] == pytest.approx(
        100 * (20 + 20.272305) / (3234.3 + 20.272305)
    )
    assert run(capsys, "verify", "hopper-medium-v2") == (
        0,
        "hopper-medium-v2: all arrays agree with the manifest\n",
        "",
    )
    listed = {entry["task"]: entry for entry in json.loads(run(capsys, "list", "--json")[1])}
    assert listed["hopper-medium"]["imported"] == ["hopper-medium-v2"]
    assert "hopper-medium-v2 (d4rl)" in run(capsys, "list")[1]


def test_describe_draws_the_returns_in_the_terminal_and_as_a_figure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, "import", "d4rl", str(d4rl_file(tmp_path / "hopper_medium-v2.hdf5")))
    figure = tmp_path / "pictures" / "returns.svg"
    status, out, _ = run(capsys, "describe", "hopper-medium-v2", "--figure", str(figure))
    assert status == 0
    assert "episodes by return (5 in all)" in out
    assert [line.split()[-1] for line in out.splitlines()[-3:]] == ["2", "1", "2"]
    assert figure.read_text().startswith("<?xml")
    status, _, err = run(capsys, "describe", "hopper-medium-v2", "--figure", str(tmp_path / "returns.gif"))
    assert (status, "must end in .png, .svg or .pdf" in err) == (2, True)


def test_door_demonstrations_are_imported_listed_described_and_verified(
    capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    pytest.importorskip("gymnasium_robotics")
    status, out, _ = run(capsys, "import", "adroit", str(shared_data / "offline_rl" / "door_human_demos.npz"))
    assert status == 0
    assert "recorded/door-human-v0: imported" in out
    told = json.loads(run(capsys, "describe", "door-human", "--json")[1])
    assert told["episodes"] == 25
    assert "episodes by return (25 in all)" in run(capsys, "describe", "door-human")[1]
    assert "recorded/door-human-v0: all arrays agree" in run(capsys, "verify")[1]
    listed = {entry["task"]: entry for entry in json.loads(run(capsys, "list", "--json")[1])}
    assert listed["door-human"]["recorded"] == ["recorded/door-human-v0"]

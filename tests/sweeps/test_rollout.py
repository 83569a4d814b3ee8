"""`reprise rollout` as a user runs it: policy files, behaviour policies, trained runs, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import Run, home
from benchmarks.d4rl import video
from benchmarks.d4rl.benchmark import BENCHMARK
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.rebuild import artifact
from benchmarks.d4rl.tasks import task
from sweeps.cli import main
from sweeps.packing import Trial
from sweeps.registry import discover, find_benchmark, find_method
from sweeps.trial_folder import TrialFolder, folder_of

BUDGET = {
    "hidden": [8],
    "train_steps": 10,
    "eval_every": 10,
    "eval_episodes": 2,
    "dataset": "local",
    "dataset_rows": 300,
}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["rollout", *words])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.fixture(autouse=True)
def behaviours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one behaviour policy: small, with random weights."""
    rng, sizes = np.random.default_rng(0), [(11, 16), (16, 6)]
    weights = tuple(rng.normal(0, 0.3, size).astype(np.float32) for size in sizes)
    biases = tuple(np.zeros(size[1], np.float32) for size in sizes)
    folder = tmp_path / "behavior"
    folder.mkdir()
    Policy(weights, biases, -5.0, 2.0, {"environment": "Hopper-v5"}).save(folder / "hopper-medium.npz")
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(folder))
    return folder


@pytest.fixture
def trial() -> TrialFolder:
    """A finished trial of two runs that trained together."""
    discover()
    known, method = task("hopper-random"), find_method("offline_rl", "td3_bc")
    artifact(LocalSet(known, 300, 0)).ensure()
    settings, training = BENCHMARK.resolve(known, method, "small", BUDGET, "test")
    data = BENCHMARK.dataset(known, training)
    runs = tuple(
        Run("offline_rl", known.name, 1, data.name, str(data.hash), "td3_bc", method.version, settings, training, seed)
        for seed in (0, 1)
    )
    folder = folder_of(Trial(runs))
    folder.write_plan(Trial(runs))
    folder.write_results(BENCHMARK.train(runs, folder.training, lambda progress: None))
    return folder


def test_a_policy_file_and_a_behaviour_policy_play_the_same_episodes(
    behaviours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, str(behaviours / "hopper-medium.npz"), "--episodes", "2", "--seed", "5", "--json")
    told = json.loads(out)
    assert status == 0
    assert [episode["seed"] for episode in told["episodes"]] == [5, 6]
    assert told["environment"].startswith("Hopper-v5, gymnasium ")
    assert told["mean_return"] == pytest.approx(sum(episode["total"] for episode in told["episodes"]) / 2)
    assert told["video"] is None
    again = json.loads(run(capsys, "hopper-medium", "--episodes", "2", "--seed", "5", "--json")[1])
    assert again["episodes"] == told["episodes"]
    sampled = json.loads(run(capsys, "hopper-medium", "--seed", "5", "--stochastic", "--json")[1])
    assert sampled["episodes"][0]["total"] != told["episodes"][0]["total"]


def test_the_text_names_environment_returns_and_scores(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "hopper-medium", "--episodes", "3")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith("behaviour policy hopper-medium: deterministic actions on Hopper-v5, gymnasium")
    assert lines[1].split() == ["seed", "steps", "return", "score", "end"]
    assert [line.split()[0] for line in lines[2:5]] == ["0", "1", "2"]
    returns = [float(line.split()[2]) for line in lines[2:5]]
    assert f"return {np.mean(returns):.0f}" in lines[5].replace(f"{np.mean(returns):.1f}", f"{np.mean(returns):.0f}")


def test_a_trained_run_is_found_by_key_and_a_trial_says_whom_it_holds(
    trial: TrialFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = trial.plan().runs
    told = json.loads(run(capsys, second.key[:10], "--episodes", "1", "--json")[1])
    assert told["player"] == "td3_bc on hopper-random, seed 1, step 10"
    status, _, err = run(capsys, str(trial.path))
    assert status == 2
    assert f"trained 2 runs together; name one by its key: {first.key[:12]} (seed 0); {second.key[:12]} (seed 1)" in err
    shutil.rmtree(trial.training)
    status, _, err = run(capsys, second.key)
    assert (status, "`reprise clean` deletes those of finished runs" in err) == (2, True)


def test_a_run_that_acts_in_no_environment_is_refused(toy: object, capsys: pytest.CaptureFixture[str]) -> None:
    family = find_benchmark("toy").family
    one = Run(family, "a", 1, "none", "none", "plain", 1, {}, {}, 0)
    folder_of(Trial((one,))).write_plan(Trial((one,)))
    status, _, err = run(capsys, one.key)
    assert (status, "runs of the family 'toy' cannot be played" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.npz",), "missing.npz: no such policy file"),
        (("hopper-medum",), "no behaviour policy (hopper-medium); `reprise status` shows run keys"),
        (("abcdef123456",), "no trial or run with the key 'abcdef123456'"),
        (("hopper-medium", "--video", "out.gif"), "--video out.gif: the name must end in .mp4"),
        (("hopper-medium", "--video", "out.mp4", "--width", "101"), "must be even numbers"),
    ],
)
def test_bad_input_is_one_message_and_status_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "choose_renderer", lambda: pytest.fail("a renderer was looked for"))
    status, out, err = run(capsys, *words)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_without_a_renderer_nothing_is_played_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    target = tmp_path / "films" / "out.mp4"
    status, out, err = run(capsys, "hopper-medium", "--video", str(target))
    assert (status, out) == (2, "")
    assert "no renderer works here (vulkan: not a renderer" in err
    assert "apt-get install libosmesa6" in err
    assert not target.parent.exists()
    assert not home().joinpath("artifacts").exists()


def test_a_film_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "")
    target = tmp_path / "out.mp4"
    words = ("hopper-medium", "--episodes", "2", "--video", str(target), "--width", "96", "--height", "64")
    status, out, err = run(capsys, *words)
    if "no renderer works here" in err:
        pytest.skip(err)
    assert status == 0
    assert out.splitlines()[-1] == f"film: {target}"
    assert target.stat().st_size > 1000

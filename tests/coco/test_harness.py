"""A student trained beside its teacher, from the resolved run to its figures and files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.base import Progress, RepriseError, Run, RunResult, StopTrial, registered_methods
from benchmarks.coco import teachers
from benchmarks.coco.annotations import load_annotations
from benchmarks.coco.benchmark import BENCHMARK
from benchmarks.coco.harness import MANIFEST, PREDICTIONS, STUDENT, train_run
from benchmarks.coco.job import Job
from benchmarks.coco.metric import evaluate
from benchmarks.coco.pairs import task
from benchmarks.coco.recipes import detector_model
from benchmarks.coco.settings import TrainingSettings
from benchmarks.coco.zoo import detector
from benchmarks.detection.checkpoints import load_strict
from benchmarks.detection.configs import build_detector
from benchmarks.detection.training import STATE
from sweeps.registry import discover

discover()

PAIR = "synth/GFL-R18w8->GFL-R18w8"
TINY = {
    "iterations": 4,
    "batch_size": 4,
    "train_images": 8,
    "val_images": 4,
    "teacher_iterations": 2,
    "min_probe_ap": 0.0,
}


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the module: the pictures are drawn and the teacher trained once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("REPRISE_HOME", str(folder))
        yield folder


def planned(method: str, seed: int = 0, **changes: Any) -> Run:
    """A resolved run of the tiny pair."""
    kind = registered_methods("distillation")[method]
    pair = task(PAIR)
    settings, training = BENCHMARK.resolve(pair, kind, "small", TINY | changes, "here")
    data = BENCHMARK.dataset(pair, training)
    assert data.hash is not None
    return Run("distillation", PAIR, 1, data.name, data.hash, method, kind.version, settings, training, seed)


def trained(run: Run, folder: Path, stop: int | None = None) -> RunResult:
    folder.mkdir(exist_ok=True)

    def report(progress: Progress) -> None:
        if progress.step == stop:
            raise StopTrial

    for artifact in BENCHMARK.artifacts([run]):
        artifact.ensure()
    return BENCHMARK.train([run], folder, report)[0]


def test_a_distilled_student_leaves_its_figures_and_files(tmp_path: Path) -> None:
    run = planned("fgd")
    result = trained(run, tmp_path)
    assert result.status == "finished"
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert result.extra["manifest"] == manifest
    assert manifest["teachers"][0]["identity"] == run.training["teachers"]["GFL-R18w8"]
    assert [level["stride"] for level in manifest["levels"]] == [8, 16, 32]
    assert manifest["loss_scale"]["iterations"] == 4
    assert manifest["training_only"] > 0
    student = build_detector(detector_model(detector("GFL-R18w8"), 10))
    load_strict(student, tmp_path / STUDENT)
    assert result.summary["parameters"]["last"] == sum(p.numel() for p in student.parameters())
    truth = load_annotations(
        teachers.open_set(task(PAIR), TrainingSettings(train_images=8, val_images=4)).val.truth.path
    )
    again = evaluate(truth, json.loads((tmp_path / PREDICTIONS).read_text()))
    assert result.summary["AP"]["last"] == 100.0 * (again["AP"] or 0.0)


def test_a_run_that_goes_on_ends_as_if_it_had_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save_often(monkeypatch)
    run = planned("dmkd", eval_every=2)
    whole = trained(run, tmp_path / "whole")
    assert trained(run, tmp_path / "parts", stop=3).status == "stopped_early"
    rest = trained(run, tmp_path / "parts")
    assert rest.curve == whole.curve
    assert rest.summary == whole.summary
    weights = [torch.load(tmp_path / part / STUDENT, weights_only=True)["state_dict"] for part in ("whole", "parts")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_run_in_stages_goes_on_within_its_second_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save_often(monkeypatch)
    run = planned("dfmsd")
    whole = trained(run, tmp_path / "whole")
    trained(run, tmp_path / "parts", stop=3)
    assert (tmp_path / "parts" / "part-1").is_dir()
    rest = trained(run, tmp_path / "parts")
    assert rest.summary == whole.summary
    assert len(whole.extra["manifest"]["schedulers"]) == 2


def test_one_schedule_over_all_stages_is_one_part(tmp_path: Path) -> None:
    result = trained(planned("dfmsd", stage_schedule="continue"), tmp_path)
    assert result.status == "finished"
    assert len(result.extra["manifest"]["schedulers"]) == 1
    assert not (tmp_path / "part-1").exists()


def test_the_plain_student_has_no_teacher(tmp_path: Path) -> None:
    run = planned("plain")
    assert run.training["teachers"] == {}
    assert BENCHMARK.artifacts([run]) == []
    result = trained(run, tmp_path)
    assert "teacher_AP" not in result.summary
    assert result.extra["manifest"]["levels"] == []


def test_inheriting_copies_neck_and_heads(tmp_path: Path) -> None:
    result = trained(planned("plain", inherit="yes"), tmp_path)
    inherited = result.extra["manifest"]["inherited"]
    assert inherited["copied"] > 0
    assert inherited["mismatched"] == inherited["own"] == 0


def test_a_diverged_student_finds_nothing_and_says_so(tmp_path: Path) -> None:
    result = trained(planned("plain", learning_rate=1e20, clip=0.0), tmp_path)
    assert result.status == "diverged"
    assert result.summary["AP"]["last"] == 0.0
    assert all(math.isfinite(value) for statistics in result.summary.values() for value in statistics.values())
    assert json.loads((tmp_path / MANIFEST).read_text())["diverged_at"] is not None


def test_a_scheduler_may_stop_a_student(tmp_path: Path) -> None:
    run = planned("plain", eval_every=1)
    result = trained(run, tmp_path, stop=2)
    assert result.status == "stopped_early"
    assert {point.step for point in result.curve if point.metric == "AP"} <= {1, 2}


def test_loss_curves_are_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.coco.harness.LOSS_EVERY", 2)
    result = trained(planned("l2"), tmp_path)
    steps = [point.step for point in result.curve if point.metric == "loss_distillation"]
    assert steps == [2, 4]


# -- what is refused -----------------------------------------------------------------------------------------------------


def test_a_loss_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(RepriseError, match="here: every loss weight of l2 is 0"):
        planned("l2", weight=0.0)


def test_teachers_are_not_given_by_hand() -> None:
    with pytest.raises(RepriseError, match="'teachers' is filled in by the suite"):
        planned("l2", teachers={"GFL-R18w8": "0"})


def test_a_missing_checkpoint_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CHECKPOINTS", str(tmp_path))
    kind = registered_methods("distillation")["fgd"]
    pair = task("RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x")
    with pytest.raises(
        RepriseError, match=rf"{tmp_path}/retinanet_x101_64x4d_fpn_1x_coco_.*pth: the weights of RetinaNet"
    ):
        BENCHMARK.resolve(pair, kind, None, {}, "here")


def test_a_teacher_that_knows_too_little_teaches_nobody(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match=r"teacher GFL-R18w8 .* reaches AP 0\.0, less than min_probe_ap 5"):
        trained(planned("l2", min_probe_ap=5.0), tmp_path)


def test_another_teacher_is_another_run() -> None:
    assert planned("l2").key != planned("l2", teacher_iterations=3).key
    assert planned("plain").training["teachers"] == planned("plain", teacher_iterations=3).training["teachers"]


def test_a_teacher_that_changed_since_planning_is_refused(tmp_path: Path) -> None:
    run = planned("l2")
    changed = Run(**{**run.to_json(), "training": {**run.training, "teachers": {"GFL-R18w8": "0" * 64}}})
    with pytest.raises(RepriseError, match="a teacher changed since the sweep was planned"):
        BENCHMARK.train([changed], tmp_path, lambda progress: None)


def test_stages_divide_the_iterations() -> None:
    run = planned("dfmsd", iterations=5)
    kind = registered_methods("distillation")["dfmsd"]
    settings = TrainingSettings(**{**run.training, "kd_range": (0.1, 8.0)})
    job = Job(run, task(PAIR), kind(kind.Settings()), settings, [])
    assert [(part.start, part.end, part.recipe.iterations) for part in job.segments] == [(0, 3, 3), (3, 5, 2)]


def test_a_finished_part_is_kept_for_going_on(tmp_path: Path) -> None:
    run = planned("plain")
    pair, training = task(PAIR), TrainingSettings(**{**run.training, "kd_range": (0.1, 2.0)})
    kind = registered_methods("distillation")["plain"]
    train_run(Job(run, pair, kind(kind.Settings()), training, []), tmp_path, lambda progress: None)
    assert (tmp_path / "part-0" / STATE).exists()


def test_mixed_precision_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RepriseError, match="precision=bf16 needs a GPU"):
        trained(planned("plain", precision="bf16"), tmp_path)


def test_a_stage_starts_with_its_own_schedule_and_a_fresh_optimiser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save_often(monkeypatch)
    trained(planned("dfmsd", iterations=8), tmp_path, stop=6)
    first, second = (torch.load(tmp_path / part / STATE, weights_only=True) for part in ("part-0", "part-1"))
    assert first["param_schedulers"][0]["last_step"] == 3
    assert second["param_schedulers"][0]["last_step"] == 1
    rates = [kept["optimizer"]["param_groups"][0]["lr"] for kept in (first, second)]
    assert rates[0] < 0.001 < rates[1]  # the end of one cycle, the beginning of the next


def _save_often(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every iteration."""
    patch.setattr("benchmarks.coco.harness.SAVE_EVERY", 1)


def test_distilling_is_expected_to_cost_more_than_training_and_a_gpu_run_was_not_measured() -> None:
    plain, distilled = BENCHMARK.cost(planned("plain", iterations=100)), BENCHMARK.cost(planned("l2", iterations=100))
    assert plain is not None
    assert distilled is not None
    assert 6.0 < plain < distilled < 60.0

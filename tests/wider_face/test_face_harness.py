"""A face detector from the resolved run to its figures and files."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.base import RepriseError, Run, RunResult, content_key, registered_methods
from benchmarks.detection.checkpoints import load_strict
from benchmarks.wider_face import anchor_sampling, harness
from benchmarks.wider_face.annotations import FaceAnnotations, FaceImage, face_image, read_bbx_gt
from benchmarks.wider_face.benchmark import BENCHMARK
from benchmarks.wider_face.contract import FAMILY
from benchmarks.wider_face.editions import FILES
from benchmarks.wider_face.face_pictures import picture_sizes
from benchmarks.wider_face.ground_truth import valid_faces
from benchmarks.wider_face.harness import DETECTOR, MANIFEST, FaceRun, Job, predictions_file
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.predictions import load_predictions
from benchmarks.wider_face.protocols import PROTOCOLS
from benchmarks.wider_face.real_wider import FaceSplit
from benchmarks.wider_face.sets import SYNTH, WIDER, FaceSet, dataset_ref, find_task
from benchmarks.wider_face.settings import TrainingSettings
from benchmarks.wider_face.testing import detections
from tests.wider_face.tiny_faces import METHODS, job, planned, same, trained, weights

EVERY = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures are drawn once for the module."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _one_home(_own_home: None, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(shared_home))


@pytest.fixture
def save_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every iteration."""
    monkeypatch.setattr(harness, "SAVE_EVERY", 1)


def figures(run: Run, path: Path) -> dict[str, float]:
    """AP in points of what a run wrote, by the metric as anyone would use it; a detector that found nothing has 0."""
    truth = job(run).data.truth
    found = evaluate(load_predictions(path, truth), truth).average_precision
    return {subset: 100.0 * value for subset, value in found.items() if value is not None}


# -- what a run leaves ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=METHODS)
def whole(
    request: pytest.FixtureRequest, shared_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Path, RunResult]]:
    """A run with a test on the way and two protocols at its end."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRISE_HOME", str(shared_home))
        run = planned(
            request.param, eval_every=2, protocols=["orig", "vga640"], iterations=6, **_finding(request.param)
        )
        yield run, folder, trained(run, folder)


def _finding(method: str) -> dict[str, float]:
    """Detectors of six iterations give no place a score of 0.01."""
    return {"score_threshold": 1e-4} if method == "efficientface" else {"score": 1e-4}


def test_the_detector_it_leaves_loads_whole(whole: tuple[Run, Path, RunResult]) -> None:
    run, folder, result = whole
    assert result.status == "finished"
    detector = job(run).method.build()
    load_strict(detector, folder / DETECTOR)
    assert result.summary["parameters"]["last"] == sum(p.numel() for p in detector.parameters())
    assert result.summary["gmacs_640"]["last"] > 0.05


def test_each_protocols_figures_are_those_of_its_own_predictions(whole: tuple[Run, Path, RunResult]) -> None:
    run, folder, result = whole
    for name in ("orig", "vga640"):
        again = figures(run, folder / predictions_file(name))
        assert set(again) >= {"medium", "hard"}
        assert {f"AP_{subset}:{name}": {"last": value} for subset, value in again.items()} == {
            metric: value for metric, value in result.summary.items() if metric.endswith(f":{name}")
        }
    texts = [(folder / predictions_file(name)).read_bytes() for name in ("orig", "vga640")]
    assert texts[0] != texts[1]
    assert not (folder / predictions_file("ms")).exists()


def test_what_the_kept_detector_finds_is_what_was_written(whole: tuple[Run, Path, RunResult]) -> None:
    run, folder, _ = whole
    data, detector = job(run).data, job(run).method.build()
    load_strict(detector, folder / DETECTOR)
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = detections(detector, data.val, PROTOCOLS["orig"])
    written = load_predictions(folder / predictions_file("orig"), data.truth)
    assert sum(map(len, found.values())) > 0
    for place, image in enumerate(data.truth.images):
        np.testing.assert_array_equal(written.of_image(place), found[image])


def test_tests_on_the_way_are_by_the_first_protocol(whole: tuple[Run, Path, RunResult]) -> None:
    _, _, result = whole
    steps = {name: [p.step for p in result.curve if p.metric == f"AP_hard:{name}"] for name in ("orig", "vga640")}
    assert steps == {"orig": [2, 4, 6], "vga640": [6]}
    last = {p.metric: p.value for p in result.curve if p.step == 6}
    assert last["AP_hard:orig"] == result.summary["AP_hard:orig"]["last"]


def test_the_manifest_says_how_it_was_trained(whole: tuple[Run, Path, RunResult]) -> None:
    run, folder, result = whole
    manifest = json.loads((folder / MANIFEST).read_text())
    assert result.extra["manifest"] == manifest
    expected = {"pictures": 8, "tested_on": 5, "iterations": 6, "batch_size": 2, "epoch": None, "diverged_at": None}
    assert {key: manifest[key] for key in expected} == expected
    assert manifest["ground_truth"] == "synthfaces-val"
    assert manifest["variant"] == BENCHMARK.describe(find_task(SYNTH), _kind(run), run.settings, run.training)["model"]
    assert manifest["schedulers"][0]["total_steps"] == 6
    assert set(manifest["other_variants"]) == {"int32:orig", "int32:vga640"}
    assert manifest["trainable"] == result.summary["parameters"]["last"]


def test_its_sheet_shows_as_many_pictures_as_asked_for(whole: tuple[Run, Path, RunResult]) -> None:
    run, folder, _ = whole
    gap, side = 6, 384
    for count, cells in ((2, 2), (4, 4), (9, 5)):
        opened = Image.open(io.BytesIO(BENCHMARK.sheet(run, folder, count, 0.0)))
        opened.load()
        columns, rows = min(4, cells), math.ceil(cells / 4)
        assert opened.size == (columns * (side + gap) + gap, rows * (side + gap) + gap)
    quiet = BENCHMARK.sheet(run, folder, 2, 1.0)
    assert quiet != BENCHMARK.sheet(run, folder, 2, 0.0), "detections are drawn"


def test_a_run_without_predictions_has_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match=r"predictions-orig\.zip: the run left no predictions"):
        BENCHMARK.sheet(planned("mogface"), tmp_path, 2, 0.5)


def _kind(run: Run) -> Any:
    return registered_methods(FAMILY)[run.method]


# -- going on, stopping, diverging ---------------------------------------------------------------------------------------


@EVERY
def test_a_run_that_goes_on_ends_as_if_it_had_never_stopped(method: str, tmp_path: Path, save_often: None) -> None:
    run = planned(method, eval_every=2, iterations=5)
    whole = trained(run, tmp_path / "whole")
    assert trained(run, tmp_path / "parts", stop=3).status == "stopped_early"
    rest = trained(run, tmp_path / "parts")
    assert rest.curve == whole.curve
    assert rest.summary == whole.summary
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_processes_that_read_pictures_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_sampling, "SIDES", (64, 96, 128))
    run = planned("mogface", sampling="sse", multi_size=True)
    alone, helped = trained(run, tmp_path / "alone"), trained(run, tmp_path / "helped", cpus=2)
    assert alone.summary == helped.summary
    assert same(weights(tmp_path / "alone"), weights(tmp_path / "helped"))


def test_another_seed_is_another_detector(tmp_path: Path) -> None:
    for seed in (0, 1):
        trained(planned("mogface", seed=seed, iterations=1), tmp_path / str(seed))
    assert not same(weights(tmp_path / "0"), weights(tmp_path / "1"))


@EVERY
def test_a_diverged_detector_finds_nothing_and_says_so(method: str, tmp_path: Path) -> None:
    run = planned(method, short_rate=1e30, short_clip=1e30, iterations=8, protocols=["orig", "vga640"])
    result = trained(run, tmp_path)
    assert result.status == "diverged"
    assert json.loads((tmp_path / MANIFEST).read_text())["diverged_at"] in range(1, 9)
    aps = {metric: value["last"] for metric, value in result.summary.items() if metric.startswith("AP_")}
    assert {metric.partition(":")[2] for metric in aps} == {"orig", "vga640"}
    assert set(aps.values()) == {0.0}
    assert all(math.isfinite(value) for each in result.summary.values() for value in each.values())
    assert not (tmp_path / DETECTOR).exists()
    Image.open(io.BytesIO(BENCHMARK.sheet(run, tmp_path, 2, 0.5))).load()


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_detector_that_finds_no_numbers_has_diverged(
    broken: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last loss may be a number where the weights after its step give none any more."""
    found = {key: np.full((1, 5), broken) for key in job(planned("mogface")).data.truth.images}
    monkeypatch.setattr(harness, "detections", lambda *given, **more: found)
    result = trained(planned("mogface", eval_every=2), tmp_path / "way")
    assert (result.status, result.extra["manifest"]["diverged_at"]) == ("diverged", 2)
    assert result.summary["AP_hard:orig"]["last"] == 0.0
    last = trained(planned("mogface", iterations=1), tmp_path / "end")
    assert (last.status, last.extra["manifest"]["diverged_at"]) == ("diverged", 1)
    assert not (tmp_path / "end" / DETECTOR).exists()


def test_a_run_cut_off_in_its_last_test_needs_no_training_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned("mogface", eval_every=2)
    with monkeypatch.context() as patch:
        patch.setattr(FaceRun, "_last", lambda self, name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            trained(run, tmp_path / "cut")
    rest, whole = trained(run, tmp_path / "cut"), trained(run, tmp_path / "whole")
    assert (rest.summary, rest.curve) == (whole.summary, whole.curve)


def test_a_scheduler_may_stop_a_run_and_keeps_its_curve(tmp_path: Path) -> None:
    result = trained(planned("mogface", eval_every=1), tmp_path, stop=2)
    assert result.status == "stopped_early"
    assert result.summary == {}
    assert {point.step for point in result.curve if point.metric.startswith("AP_")} == {1, 2}


def test_loss_curves_are_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "LOSS_EVERY", 1)
    each = [p.value for p in trained(planned("mogface"), tmp_path / "each").curve if p.metric == "loss"]
    monkeypatch.setattr(harness, "LOSS_EVERY", 2)
    means = [(p.step, p.value) for p in trained(planned("mogface"), tmp_path / "means").curve if p.metric == "loss"]
    assert len(each) == 4
    assert means == [(2, pytest.approx(sum(each[:2]) / 2)), (4, pytest.approx(sum(each[2:]) / 2))]


# -- published schedules -------------------------------------------------------------------------------------------------


def rate(folder: Path) -> float:
    """The learning rate that a checkpoint goes on with."""
    kept = torch.load(folder / "training.pth", weights_only=True)
    return float(kept["optimizer"]["param_groups"][0]["lr"])


def plateau(iterations: int, **changes: Any) -> Run:
    """EfficientFace's own schedule, an epoch being two iterations; the rate falls after the third epoch without progress."""
    given = {"schedule": "published", "train_images": 4, "iterations": iterations, "plateau_patience": 2}
    return planned("efficientface", **given, **changes)


@pytest.mark.parametrize(("iterations", "expected"), [(7, 1e-4), (8, 1e-5), (15, 1e-6)])
def test_the_rate_falls_when_the_loss_stands_still(
    iterations: int, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_often: None
) -> None:
    """The first epoch is the best; the second, third and fourth are no better: one more than the patience of two."""
    monkeypatch.setattr(FaceRun, "epoch", lambda self, mean: 1.0)
    FaceRun(job(plateau(iterations)), tmp_path, lambda progress: None).train()
    assert rate(tmp_path) == pytest.approx(expected)


def test_a_plateau_is_remembered_across_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_often: None
) -> None:
    monkeypatch.setattr(FaceRun, "epoch", lambda self, mean: 1.0)
    run = plateau(8)
    trained(run, tmp_path / "parts", stop=6)  # the checkpoint is of iteration 5, in the middle of the third epoch
    assert rate(tmp_path / "parts") == pytest.approx(1e-4)
    trained(run, tmp_path / "parts")
    assert rate(tmp_path / "parts") == pytest.approx(1e-5)
    trained(run, tmp_path / "whole")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_an_epochs_loss_is_the_mean_of_its_iterations_across_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_often: None
) -> None:
    heard: list[float] = []
    monkeypatch.setattr(FaceRun, "epoch", lambda self, mean: heard.append(mean) or mean)
    monkeypatch.setattr(harness, "LOSS_EVERY", 1)
    run = plateau(4)
    trained(run, tmp_path, stop=2)  # goes on from iteration 1: the first epoch ends twice
    result = trained(run, tmp_path)
    losses = [point.value for point in result.curve if point.metric == "loss"]
    assert heard == pytest.approx([sum(losses[:2]) / 2, sum(losses[:2]) / 2, sum(losses[2:]) / 2])


def test_the_loss_on_val_is_that_of_its_pictures_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float]] = []
    own = FaceRun.epoch

    def watched(self: FaceRun, mean: float) -> float:
        before = {name: value.clone() for name, value in self.detector.state_dict().items()}
        value = own(self, mean)
        assert same(before, self.detector.state_dict())
        assert self.detector.training
        seen.append((value, _val_loss(self)))
        return value

    monkeypatch.setattr(FaceRun, "epoch", watched)
    val = trained(plateau(4, plateau_metric="val_loss"), tmp_path / "val")
    assert len(seen) == 2
    assert all(value == pytest.approx(by_hand, rel=1e-4) for value, by_hand in seen)
    monkeypatch.setattr(FaceRun, "epoch", own)
    train = trained(plateau(4), tmp_path / "train")
    assert [p.value for p in val.curve] == [p.value for p in train.curve]


def _val_loss(run: FaceRun) -> float:
    """The mean over val of what the detector says of each picture in test mode, by its own `loss`."""
    detector: Any = run.detector.eval()
    total = 0.0
    for item in run._pictures([], "val"):
        data = detector.data_preprocessor({"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}, False)
        with torch.no_grad():
            total += float(sum(detector.loss(data["inputs"], data["data_samples"]).values()))
    detector.train()
    return total / len(run.job.data.val.sizes)


def test_the_rate_stays_where_the_published_schedule_has_no_time_for_an_epoch(tmp_path: Path, save_often: None) -> None:
    result = trained(plateau(1), tmp_path)
    assert result.extra["manifest"]["epoch"] == 2
    assert rate(tmp_path) == pytest.approx(1e-4)


def test_mogface_warms_up_and_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_often: None) -> None:
    norms: list[float] = []
    clip = torch.nn.utils.clip_grad_norm_

    def watched(parameters: Any, max_norm: float, *rest: Any, **more: Any) -> Any:
        norms.append(max_norm)
        return clip(parameters, max_norm, *rest, **more)

    monkeypatch.setattr("torch.nn.utils.clip_grad.clip_grad_norm_", watched)
    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", watched)
    result = trained(planned("mogface", schedule="published", iterations=3, batch_size=2), tmp_path)
    # three steps of the way from 1e-6 to 0.01, which takes 3,000 iterations
    assert rate(tmp_path) == pytest.approx(1e-6 + (0.01 - 1e-6) * 3 / 2999, rel=1e-3)
    assert norms == [5.0] * 3
    assert result.extra["manifest"]["optim_wrapper"]["optimizer"]["momentum"] == 0.9


@pytest.mark.parametrize(("method", "batch", "iterations"), [("efficientface", 4, 200), ("mogface", 28, 140_000)])
def test_without_a_length_the_published_schedule_is_whole(method: str, batch: int, iterations: int) -> None:
    run = planned(method, schedule="published", iterations=None, batch_size=None)
    schedule = job(run).schedule
    assert (schedule.batch_size, schedule.iterations) == (batch, iterations)  # 8 pictures, 100 epochs of 2
    assert job(planned(method, schedule="published", iterations=10**6)).schedule.iterations == (
        400 if method == "efficientface" else iterations
    )


# -- data ----------------------------------------------------------------------------------------------------------------


def test_sides_of_training_pictures_vary_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_sampling, "SIDES", (64, 96, 128))
    shapes: list[tuple[int, ...]] = []
    from baselines.mogface.detector import MogFaceDetector

    own = MogFaceDetector.loss
    monkeypatch.setattr(
        MogFaceDetector, "loss", lambda self, x, samples: shapes.append(tuple(x.shape)) or own(self, x, samples)
    )
    trained(planned("mogface", sampling="sse", multi_size=True, iterations=8), tmp_path / "batch")
    assert len({shape[2:] for shape in shapes}) > 1
    assert all(shape[:2] == (2, 3) and shape[2] == shape[3] for shape in shapes)
    expected = [anchor_sampling.picture_side(0, batch, "batch") for batch in range(8)]
    assert [shape[2] for shape in shapes] == expected
    shapes.clear()
    released = planned("mogface", sampling="sse", multi_size=True, mst_draw="released", iterations=3)
    trained(released, tmp_path / "run")
    assert {shape[2] for shape in shapes} == {anchor_sampling.picture_side(0, 0, "run")}


@pytest.mark.parametrize(
    ("method", "changes"), [("efficientface", {"train_aug": "das"}), ("mogface", {"sampling": "das"})]
)
def test_data_anchor_sampling_trains(method: str, changes: dict[str, Any], tmp_path: Path) -> None:
    assert trained(planned(method, iterations=2, **changes), tmp_path).status == "finished"


def own_set(folder: Path, images: tuple[FaceImage, ...], exif: Image.Exif | None = None) -> FaceSet:
    """Grey pictures of 128 x 128 with these faces, as training and as test set."""
    for image in images:
        path = folder / image.name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (128, 96), (90, 90, 90)).save(path, exif=exif or Image.Exif())
    split = FaceSplit(FaceAnnotations(folder / "own.txt", images), folder, [(128, 96)] * len(images))
    return FaceSet(split, split, valid_faces(split.truth))


def faces_of(run: Run, data: FaceSet, monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """The boxes that the run's detector would be trained on in the first picture, before augmentation."""
    monkeypatch.setattr(Job, "data", data)
    item = FaceRun(job(run), Path(), lambda progress: None)._pictures([])[0]
    return [[float(side) for side in box] for box in item["data_samples"].gt_instances.bboxes.tensor.tolist()]


NORMAL, INVALID, TURNED = [10, 12, 20, 30], [50, 8, 10, 12], [70, 60, -20, 16]


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        ("efficientface", {}, [NORMAL, INVALID]),
        ("efficientface", {"drop_invalid": True}, [NORMAL]),
        ("mogface", {}, [NORMAL, INVALID, [50, 60, 20, 16]]),
    ],
)
def test_a_method_says_which_faces_it_learns(
    method: str, changes: dict[str, Any], expected: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [[0] * 6, [0, 0, 0, 1, 0, 0], [0] * 6]
    data = own_set(tmp_path, (face_image("0--E/a.png", [NORMAL, INVALID, TURNED], marks),))
    found = faces_of(planned(method, **changes), data, monkeypatch)
    assert found == [[x, y, x + w, y + h] for x, y, w, h in expected]


def test_a_picture_is_trained_on_as_it_lies_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn me by a quarter
    data = own_set(tmp_path, (face_image("0--E/a.jpg", [NORMAL], [[0] * 6]),), exif)
    monkeypatch.setattr(Job, "data", data)
    item = FaceRun(job(planned("mogface")), tmp_path, lambda progress: None)._pictures([])[0]
    assert item["inputs"].shape == (3, 96, 128)


def test_the_real_pictures_run_through_training_tests_and_metric(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shared_data / "wider_face" / "images"
    if not here.is_dir():
        pytest.skip(f"needs WIDER's pictures in {here}, which this machine does not have")
    text = shared_data / "wider_face" / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    (tmp_path / "22--Picnic").symlink_to(here)
    names = {f"22--Picnic/{path.name}" for path in here.iterdir()}
    images = tuple(image for image in read_bbx_gt(text).images if image.name in names)
    assert len(images) == 24
    part = FaceAnnotations(text, images)
    split = FaceSplit(part, tmp_path, picture_sizes(part, tmp_path))
    data = FaceSet(split, split, valid_faces(part))
    monkeypatch.setattr(Job, "data", data)
    run = planned("efficientface", iterations=1, protocols=["orig", "vga640"], train_aug="das", score_threshold=1e-4)
    result = trained(run, tmp_path / "run")
    assert result.status == "finished"
    for name in ("orig", "vga640"):
        written = load_predictions(tmp_path / "run" / predictions_file(name), data.truth)
        assert len(written.scores) > 24
        again = evaluate(written, data.truth).average_precision["valid"]
        assert result.summary[f"AP_valid:{name}"]["last"] == 100.0 * again
        right = np.repeat(split.sizes, np.diff(written.starts), axis=0)
        assert (written.boxes[:, :2] + written.boxes[:, 2:] <= right + 1e-3).all()
    assert not [metric for metric in result.summary if metric.startswith("AP_hard")]


# -- settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocols": ["orig", "vga460"]}, r"here: protocols.*vga640.*vga460"),
        ({"protocols": ["vga640"]}, r"here: protocols are \['vga640'\]; give each once, and 'orig' among them"),
        ({"protocols": ["orig", "orig"]}, "give each once"),
        ({"protocols": []}, "and 'orig' among them"),
        ({"iterations": None}, "here: schedule short has no length of its own; give iterations"),
        ({"iterations": 0}, "here: iterations is 0; give 1 or more"),
        ({"eval_every": -1}, "eval_every is -1; give 1 or more"),
        ({"short_rate": math.nan}, "short_rate is nan; give a finite number above 0"),
        ({"train_image": 5}, r"here: .*'train_image'.*train_images"),
        ({"scenes": "dark"}, "here: scenes.*varied.*clear"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        planned("efficientface", **changes)


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(RepriseError, match=r"synthface'.*synthfaces"):
        find_task("synthface")


def test_wider_face_that_is_not_here_has_no_hash_and_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wider, training = find_task(WIDER), TrainingSettings()
    found = dataset_ref(wider, training)
    assert found.hash is None
    assert found.artifact is None
    assert found.remedy.startswith("REPRISE_WIDER is not set: set it to the folder of WIDER FACE")
    monkeypatch.setenv("REPRISE_WIDER", str(tmp_path))
    assert "WIDER_train" in dataset_ref(wider, training).remedy
    for part in ("WIDER_train/images", "WIDER_val/images", "wider_face_split"):
        (tmp_path / part).mkdir(parents=True)
    for split in ("train", "val"):
        (tmp_path / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt").write_text("")
    assert "ground_truth/wider_face_val.mat: not there" in dataset_ref(wider, training).remedy


def test_wider_face_is_hashed_by_its_annotations_other_labels_of_train_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_WIDER", str(tmp_path))
    for part in ("WIDER_train/images", "WIDER_val/images", "wider_face_split", "ground_truth", "xml"):
        (tmp_path / part).mkdir(parents=True)
    for split in ("train", "val"):
        (tmp_path / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt").write_text(split)
    for name in FILES:
        (tmp_path / "ground_truth" / name).write_text(name)

    def found() -> str | None:
        return dataset_ref(find_task(WIDER), TrainingSettings()).hash

    own = found()
    (tmp_path / "xml" / "a.xml").write_text("a")
    assert found() == own is not None
    monkeypatch.setenv("REPRISE_WIDER_LABELS", str(tmp_path / "xml"))
    other = found()
    assert other not in (own, None)
    (tmp_path / "xml" / "a.xml").write_text("b")
    assert found() not in (own, other, None)


def test_data_are_named_by_what_was_drawn() -> None:
    one, other = planned("mogface"), planned("mogface", data_seed=1)
    assert one.dataset_hash != other.dataset_hash
    assert planned("efficientface").dataset_hash == one.dataset_hash
    assert content_key(dict(one.training)) != content_key(dict(other.training))


@pytest.mark.parametrize(
    ("changes", "protocol"),
    [
        ({}, "4 iterations of batch 2"),
        ({"schedule": "published"}, "4 iterations of the published schedule of batch 2"),
        ({"schedule": "published", "iterations": None, "batch_size": None}, "the published schedule"),
    ],
)
def test_a_table_is_told_how_long_training_was(changes: dict[str, Any], protocol: str) -> None:
    run = planned("mogface", **changes)
    found = BENCHMARK.describe(find_task(SYNTH), _kind(run), run.settings, run.training)
    assert found["protocol"] == f"{protocol}, last checkpoint, WIDER FACE's AP"
    assert (found["data_kind"], found["precision"]) == ("drawn", "fp32")


def test_mixed_precision_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RepriseError, match="precision=fp16 needs a GPU"):
        trained(planned("mogface", precision="fp16"), tmp_path)


# -- what a run is expected to cost --------------------------------------------------------------------------------------


def cost(**changes: Any) -> float:
    found = BENCHMARK.cost(planned("mogface", **{"iterations": 100, "batch_size": 8, "val_images": 50, **changes}))
    assert found is not None
    return found


def test_expected_cost_grows_with_pictures_trained_on_and_looked_at() -> None:
    """A demo of 300 iterations takes the small detectors 1 to 2 CPU-minutes."""
    start, test = 6.0, cost() - cost(val_images=1)
    assert cost(iterations=200, batch_size=4) == pytest.approx(cost())
    assert cost(iterations=200) - cost() == pytest.approx(cost() - start - test * 50 / 49)
    assert cost(eval_every=25) - cost() == pytest.approx(3 * test * 50 / 49)
    assert cost(protocols=["orig", "vga640"]) - cost() == pytest.approx(25 * test * 50 / 49)
    assert 60 < cost(iterations=300, batch_size=None, val_images=300) < 120


def test_the_cost_of_the_published_schedule_is_that_of_its_own_length() -> None:
    own = {"schedule": "published", "iterations": None, "batch_size": None}
    assert cost(**own) == pytest.approx(cost(iterations=140_000, batch_size=28))
    assert cost(schedule="published") == cost()


@pytest.mark.parametrize("task", [WIDER, "model-cost"])
def test_nobody_measured_what_other_tasks_cost(task: str) -> None:
    run = planned("mogface")
    assert BENCHMARK.cost(Run(**{**run.to_json(), "task": task})) is None

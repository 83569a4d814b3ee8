"""Small teachers: the one that comes with the suite is the one that its command trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.base import RepriseError, unheard
from benchmarks.coco import teachers
from benchmarks.coco.commit_teacher import LARGEST, main
from benchmarks.coco.pairs import task
from benchmarks.coco.settings import TrainingSettings
from benchmarks.coco.teachers import LOG, WEIGHTS, committed, teacher, teacher_artifact
from benchmarks.coco.zoo import detector
from sweeps.schema import TIER_FILES, load_tiers

DEMO = task("synth/GFL-R18w28->GFL-R18w16")


def demo_training() -> TrainingSettings:
    """The teacher's part of tier `demo`."""
    tiers, _ = load_tiers(TIER_FILES / "distillation.yaml", "distillation")
    return TrainingSettings(teacher_iterations=int(tiers.tiers["demo"].training["teacher_iterations"]))


def test_the_demos_teacher_comes_with_the_suite() -> None:
    artifact = teacher_artifact(detector(DEMO.teacher), DEMO, demo_training())
    path = committed(artifact)
    assert path is not None, f"the demo would train its teacher: python -m benchmarks.coco.commit_teacher '{DEMO.name}'"
    assert path.stat().st_size < LARGEST
    log = path.with_suffix(".csv").read_text().splitlines()
    assert log[0] == "iteration,loss"
    assert log[-1].startswith(f"{demo_training().teacher_iterations},")
    assert float(log[-1].split(",")[1]) < 0.8 * float(log[1].split(",")[1])


def test_a_committed_teacher_is_taken_and_not_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = teacher(detector(DEMO.teacher), DEMO, demo_training())
    assert found.artifact is not None
    monkeypatch.setattr(teachers, "train_teacher", None)
    found.artifact.build(tmp_path, unheard)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG, WEIGHTS]
    model = teachers.Teacher(found.detector, found.identity, tmp_path / WEIGHTS).load(10)
    assert not model.training
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_the_command_trains_and_commits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = "synth/GFL-R18w8->GFL-R18w8"
    monkeypatch.setattr(teachers, "COMMITTED", tmp_path)
    monkeypatch.setattr("benchmarks.coco.commit_teacher.COMMITTED", tmp_path)
    small = TrainingSettings(teacher_iterations=2, train_images=8, val_images=4, min_probe_ap=0.0)
    monkeypatch.setattr("benchmarks.coco.commit_teacher.TrainingSettings", lambda teacher_iterations: small)
    main(pair, iterations=2)
    written = capsys.readouterr().out
    assert ".pth: 0.7 MB, AP " in written
    artifact = teacher_artifact(detector("GFL-R18w8"), task(pair), small)
    path = committed(artifact)
    assert path is not None
    assert path.read_bytes() == (artifact.folder / WEIGHTS).read_bytes()
    with pytest.raises(RepriseError, match="comes with the suite already"):
        main(pair, iterations=2)


def test_a_teacher_is_another_with_other_pictures_or_another_length() -> None:
    made = detector("GFL-R18w8")
    keys = {
        teacher_artifact(made, DEMO, training).key
        for training in (
            TrainingSettings(),
            TrainingSettings(teacher_iterations=9),
            TrainingSettings(data_seed=1),
            TrainingSettings(iterations=5),
        )
    }
    assert len(keys) == 3  # the students' own length is not the teacher's

"""`reprise show`: what a detector's run found, as a picture."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.base import Run, home, registered_methods
from benchmarks.coco.benchmark import BENCHMARK
from benchmarks.coco.pairs import task
from benchmarks.coco.sets import open_set
from benchmarks.coco.settings import TrainingSettings
from sweeps.cli import main
from sweeps.packing import Trial
from sweeps.registry import discover
from sweeps.trial_folder import TrialFolder, folder_of

PAIR = "synth/GFL-R18w8->GFL-R18w8"
TINY = {"iterations": 2, "train_images": 2, "val_images": 6}


@pytest.fixture
def trial() -> TrialFolder:
    """A trial of the plain student, planned and not trained."""
    discover()
    kind = registered_methods("distillation")["plain"]
    settings, training = BENCHMARK.resolve(task(PAIR), kind, "small", TINY, "here")
    data = BENCHMARK.dataset(task(PAIR), training)
    assert data.hash is not None
    run = Run("distillation", PAIR, 1, data.name, data.hash, "plain", 1, settings, training, 0)
    planned = Trial((run,), None)
    folder = folder_of(planned)
    folder.write_plan(planned)
    return folder


def shown(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["show", *words])
    return int(end.value.code or 0)


def find_everything(folder: TrialFolder) -> None:
    """Predictions that are the ground truth, in the folder where a training leaves them."""
    truth = open_set(task(PAIR), TrainingSettings(train_images=2, val_images=6)).val.truth
    keys = ("image_id", "category_id", "bbox")
    found = [{**{key: entry[key] for key in keys}, "score": 0.9} for entry in truth.objects]
    folder.training.mkdir(parents=True)
    (folder.training / "predictions.json").write_text(json.dumps(found))


def test_detections_are_drawn_over_ground_truth(trial: TrialFolder, tmp_path: Path) -> None:
    find_everything(trial)
    out = tmp_path / "new" / "sheet.png"
    assert shown(str(trial.path), "--out", str(out), "--images", "4") == 0
    sure = np.asarray(Image.open(out))
    assert sure.shape[1] > sure.shape[0] > 300  # four pictures in a row
    other = tmp_path / "none.png"
    assert shown(str(trial.path), "--out", str(other), "--images", "4", "--threshold", "0.95") == 0
    assert not np.array_equal(sure, np.asarray(Image.open(other)))


def test_a_run_is_found_by_its_key_and_drawn_under_home(trial: TrialFolder) -> None:
    find_everything(trial)
    key = trial.plan().runs[0].key
    assert shown(key[:10]) == 0
    drawn = (home() / "results" / f"{key[:12]}.png").read_bytes()
    assert Image.open(io.BytesIO(drawn)).format == "PNG"


def test_a_run_without_predictions_says_what_to_do(trial: TrialFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(str(trial.path)) == 2
    assert "predictions.json: the run left no predictions" in capsys.readouterr().err


def test_a_sheet_is_a_png(trial: TrialFolder, capsys: pytest.CaptureFixture[str]) -> None:
    find_everything(trial)
    assert shown(str(trial.path), "--out", "sheet.jpg") == 2
    assert "--out sheet.jpg: the sheet is a .png file" in capsys.readouterr().err

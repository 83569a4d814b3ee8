"""The sheet of what anchors learn: anchors as training would match them, drawn where they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.wider_face import match_sheet as module
from benchmarks.wider_face.benchmark import BENCHMARK
from benchmarks.wider_face.contract import LearnedAnchors
from benchmarks.wider_face.match_sheet import MATCHED, RECRUITED, match_sheet
from tests.wider_face import tiny_faces

SCALE = module.SIDE / 128


class Recruiter(torch.nn.Module):
    """Says of every picture: one anchor matched, one recruited."""

    def data_preprocessor(self, batch: dict[str, object], training: bool) -> dict[str, object]:
        return batch

    def learned_anchors(self, inputs: object, samples: list[object]) -> list[LearnedAnchors]:
        anchors = torch.tensor([[20.0, 20, 40, 40], [80, 80, 100, 100]])
        return [LearnedAnchors(anchors, torch.tensor([[24.0, 24, 36, 36]] * 2), torch.tensor([False, True]))]


def test_matched_and_recruited_anchors_are_told_apart_by_colour() -> None:
    job = tiny_faces.job(tiny_faces.planned("mogface"))
    with Image.open(io.BytesIO(match_sheet(Recruiter(), job.data.val, [0]))) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    for centre, colour in ((30, MATCHED), (90, RECRUITED)):
        rows, columns = np.nonzero((pixels == colour).all(-1))
        near = (abs(rows - centre * SCALE) < 12) & (abs(columns - centre * SCALE) < 12)
        assert near.any(), "no dot at the centre of the anchor (a margin of the sheet aside)"


@pytest.mark.parametrize("method", tiny_faces.METHODS)
def test_a_finished_run_shows_the_anchors_that_learn_its_faces(method: str, tmp_path: Path) -> None:
    run = tiny_faces.planned(method)
    with pytest.raises(RepriseError, match="left no weights"):
        BENCHMARK.match_sheet(run, tmp_path, 2)
    tiny_faces.trained(run, tmp_path)
    with Image.open(io.BytesIO(BENCHMARK.match_sheet(run, tmp_path, 2))) as opened:
        assert opened.width > 2 * module.SIDE
        assert (np.asarray(opened.convert("RGB")) == MATCHED).all(-1).any()


@pytest.mark.parametrize("method", tiny_faces.METHODS)
def test_every_face_of_a_picture_is_learned(method: str) -> None:
    """Both rescue: a face that overlaps no anchor well has its best one."""
    job = tiny_faces.job(tiny_faces.planned(method))
    torch.manual_seed(0)
    detector = job.method.build().eval()
    data = module.FaceDataset(job.data.val, module._PIPELINE)
    for batch in module.prediction_loader(data, 1):
        faces = batch["data_samples"][0].gt_instances.bboxes.tensor
        prepared = detector.data_preprocessor(batch, False)
        (found,) = detector.learned_anchors(prepared["inputs"], prepared["data_samples"])
        assert len(torch.unique(found.faces, dim=0)) >= 0.8 * len(torch.unique(faces, dim=0))
        assert (found.anchors[:, 2:] > found.anchors[:, :2]).all()

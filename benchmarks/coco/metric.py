"""The twelve COCO figures, by pycocotools alone (detection protocol, section 2)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.base import Json, RepriseError
from benchmarks.coco import predictions
from benchmarks.coco.annotations import Annotations
from benchmarks.coco.predictions import Kind

FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""The names of the figures, in the order of pycocotools."""

_WITHOUT_TRUTH = -1.0
_ANY_AREA = 1e10
"""pycocotools' own upper limit of the range of all areas, in square pixels."""

Figures = dict[str, float | None]
"""Figure -> fraction with full precision; None where the ground truth holds no object that would count."""


def evaluate(truth: Annotations, results: Sequence[Json], kind: Kind = "bbox", source: str = "predictions") -> Figures:
    """Score results (COCO's result format, in any order of images) against their ground truth.

    Size bands are the ground truth's own (`Annotations.area_limits`). No results at all score 0. Raises RepriseError that
    names `source` and the entry for results that do not fit the ground truth (see `predictions.checked`), and the ground
    truth's file where it has no masks for `segm`.
    """
    entries = predictions.checked(results, truth, kind, source)
    if kind == "segm":
        _check_masks(truth)
    with _quiet():
        coco = _indexed(truth)
        found = coco.loadRes(entries) if entries else _nothing(truth)
        scored = COCOeval(coco, found, kind)
        small, medium = truth.area_limits
        scored.params.areaRng = [[0, _ANY_AREA], [0, small], [small, medium], [medium, _ANY_AREA]]
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    values = map(float, scored.stats)
    return {name: None if value == _WITHOUT_TRUTH else value for name, value in zip(FIGURES, values, strict=True)}


def _indexed(truth: Annotations) -> COCO:
    """pycocotools' form of the ground truth. It writes into the annotations it scores, so it gets copies."""
    coco = COCO()
    coco.dataset = {**truth.dataset, "annotations": [dict(entry) for entry in truth.dataset["annotations"]]}
    coco.createIndex()
    return coco


def _nothing(truth: Annotations) -> COCO:
    """Results without an entry, which `loadRes` cannot read."""
    coco = COCO()
    coco.dataset = {**truth.dataset, "annotations": []}
    coco.createIndex()
    return coco


def _check_masks(truth: Annotations) -> None:
    without = [entry["id"] for entry in truth.dataset["annotations"] if not entry.get("segmentation")]
    if without:
        raise RepriseError(
            f"{truth.path}: {len(without)} annotations have no segmentation, annotation {without[0]} first; score boxes instead"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pycocotools prints its progress; nobody asked for it."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield

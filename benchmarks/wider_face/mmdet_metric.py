"""The metric as mmdet's test loop calls it; works in distributed runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection import install_ops
from benchmarks.wider_face.ground_truth import GroundTruth, load_ground_truth
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.overlap import Variant
from benchmarks.wider_face.prediction_export import write_predictions
from benchmarks.wider_face.predictions import Predictions

install_ops()

from mmengine.evaluator import BaseMetric  # noqa: E402
from mmengine.registry import METRICS  # noqa: E402


@METRICS.register_module()
class WiderFaceMetric(BaseMetric):
    """AP of Easy, Medium and Hard as `wider_face/easy`, ... from samples with `img_id` = `event/name`.

    `ground_truth`: the folder of the four `.mat` files, or what was loaded from it. `export`: also write the predictions there,
    in WIDER's text format. A subset without a face that counts has no figure. Raises RepriseError for an image that is not in
    the ground truth.
    """

    default_prefix = "wider_face"

    def __init__(
        self,
        ground_truth: GroundTruth | str | Path,
        variant: Variant = "float",
        export: str | Path | None = None,
        allow_other: bool = False,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        if not isinstance(ground_truth, GroundTruth):
            ground_truth = load_ground_truth(Path(ground_truth), allow_other)
        self.truth = ground_truth
        self.variant = variant
        self.export = None if export is None else Path(export)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        for sample in data_samples:
            found = sample["pred_instances"]
            corners = found["bboxes"].detach().cpu().double().numpy().reshape(-1, 4)
            scores = found["scores"].detach().cpu().double().numpy()
            # detectors place corners on pixel edges, so nothing is added to the difference
            rows = np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2], scores])
            self.results.append((sample["img_id"], rows))

    def compute_metrics(self, results: list[tuple[str, np.ndarray]]) -> dict[str, float]:
        predictions = Predictions.of(dict(results), self.truth, "test loop")
        if self.export is not None:
            write_predictions(self.export, predictions)
        found = evaluate(predictions, self.truth, self.variant).average_precision
        return {subset: value for subset, value in found.items() if value is not None}

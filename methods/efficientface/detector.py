"""EfficientFace as an mmdet detector of one category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
from benchmarks.wider_face.contract import LearnedAnchors
from methods.efficientface.anchors import anchors, decode
from methods.efficientface.losses import box_loss, class_loss
from methods.efficientface.matching import RULES, match
from methods.efficientface.network import Network, Outputs
from methods.efficientface.settings import DIVISOR, Settings
from methods.efficientface.weights import Loaded

install_ops()

from mmcv.ops import nms  # noqa: E402
from mmdet.models.data_preprocessors import DetDataPreprocessor  # noqa: E402
from mmdet.models.detectors.base import BaseDetector  # noqa: E402
from mmdet.structures.bbox import get_box_tensor  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""ImageNet's, per channel of RGB."""


class EfficientFaceDetector(BaseDetector):
    """`loss` and `predict` of mmdet's contract; pictures arrive normalised and padded to multiples of 128.

    `initial` says which weights came from a file and which are new.
    """

    network: Network
    initial: Loaded

    def __init__(self, settings: Settings) -> None:
        preprocessor = DetDataPreprocessor(mean=MEAN, std=STD, bgr_to_rgb=True, pad_size_divisor=DIVISOR)
        super().__init__(data_preprocessor=preprocessor)
        self.settings = settings
        self.nms_iou = settings.nms_iou
        self.network = Network(settings)

    def init_weights(self) -> None:
        """Nothing: weights are drawn, or loaded, where the detector is built."""

    def extract_feat(self, batch_inputs: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to the six maps that the heads see."""
        return self.network.levels(batch_inputs)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: Any = None) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and codes (B, K, 4)."""
        return self.network(batch_inputs)

    def loss(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """loss_cls and loss_bbox. Faces without width or height are left out.

        Raises RepriseError for one picture of 128 x 128 alone in training: batch statistics of its last level have no spread.
        """
        count, _, height, width = batch_inputs.shape
        if self.training and count * height * width == DIVISOR**2:
            raise RepriseError(
                "EfficientFace cannot train on a batch of one picture of 128 x 128; give a larger batch or picture"
            )
        logits, codes = (values.float() for values in self.network(batch_inputs))
        beside = self._anchors(batch_inputs)
        faces = [_faces(sample).to(codes) for sample in batch_data_samples]
        with torch.autocast(batch_inputs.device.type, enabled=False):
            owners = [match(boxes, beside, RULES[self.settings.match]) for boxes in faces]
            return {
                "loss_cls": class_loss(logits, owners),
                "loss_bbox": box_loss(codes, owners, faces, beside, self.settings.loc_loss),
            }

    def predict(self, batch_inputs: Tensor, batch_data_samples: Any, rescale: bool = True) -> Any:
        """The samples with `pred_instances`: bboxes (n, 4), scores (n,) falling, labels (n,) zero.

        Boxes lie inside the unpadded picture; with `rescale` they are in pixels of the original, else of the resized one.
        """
        outputs = self.network(batch_inputs)
        beside = self._anchors(batch_inputs)
        for sample, logits, codes in zip(batch_data_samples, outputs.logits, outputs.codes, strict=True):
            boxes, scores = self._found(Outputs(logits.float(), codes.float()), beside, sample.img_shape)
            if rescale:
                boxes = boxes / boxes.new_tensor(tuple(sample.scale_factor) * 2)
            labels = torch.zeros_like(scores, dtype=torch.long)
            sample.pred_instances = InstanceData(bboxes=boxes, scores=scores, labels=labels)
        return batch_data_samples

    def learned_anchors(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> list[LearnedAnchors]:
        """The anchors that stand for a face, per picture; the matching knows no second step."""
        beside = self._anchors(batch_inputs)
        found = []
        for sample in batch_data_samples:
            faces = _faces(sample).to(beside)
            owners = match(faces, beside, RULES[self.settings.match])
            positive = owners >= 0
            found.append(
                LearnedAnchors(beside[positive], faces[owners[positive]], torch.zeros_like(owners[positive]).bool())
            )
        return found

    def _anchors(self, inputs: Tensor) -> Tensor:
        height, width = inputs.shape[2:]
        s = self.settings
        return anchors(int(height), int(width), tuple(s.anchor_ratios), tuple(s.anchor_scales), inputs.device)

    def _found(self, outputs: Outputs, beside: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Boxes (n, 4) and scores (n,) of one picture, clipped to its (h, w), after suppression."""
        s = self.settings
        scores = outputs.logits.sigmoid()
        order = scores.argsort(descending=True, stable=True)[: s.candidates]
        order = order[scores[order] > s.score_threshold]
        boxes = decode(outputs.codes[order], beside[order])
        limits = boxes.new_tensor((shape[1], shape[0]) * 2)
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        there = (boxes[:, 2:] > boxes[:, :2]).all(1)
        boxes, scores = boxes[there], scores[order][there]
        if not len(boxes):
            return boxes, scores
        _, kept = nms(boxes, scores, self.nms_iou)
        kept = kept[: s.max_faces]
        return boxes[kept], scores[kept]


def _faces(sample: Any) -> Tensor:
    """(G, 4) faces with an area."""
    boxes = get_box_tensor(sample.gt_instances.bboxes)
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)]

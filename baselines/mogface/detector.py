"""MogFace as an mmdet detector with one category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from baselines.mogface.ali_ams import Switches
from baselines.mogface.anchors import decode, exclusive, inclusive, make_anchors
from baselines.mogface.context import build_context
from baselines.mogface.hcam import HCAM, Second, judged_scores, second_labels
from baselines.mogface.heads import DeepHeads, FirstShot, LevelHead, Maps
from baselines.mogface.lfpn import LFPN
from baselines.mogface.losses import box_loss, class_loss, second_loss
from baselines.mogface.settings import STRIDES, Settings
from baselines.mogface.targets import Targets, make_targets
from baselines.mogface.trunk import FRESH, build_trunk, load_trunk, trunk_channels
from benchmarks.detection import install_ops
from benchmarks.wider_face.contract import LearnedAnchors

install_ops()

from mmcv.ops import nms  # noqa: E402
from mmdet.models.data_preprocessors import DetDataPreprocessor  # noqa: E402
from mmdet.models.detectors.base import BaseDetector  # noqa: E402
from mmdet.structures.bbox import get_box_tensor  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Outputs(NamedTuple):
    """Raw outputs of a batch: of the head, of the first-shot branch, of HCAM's second classifier."""

    main: Maps
    first_shot: Maps | None
    second: Second | None


class MogFaceDetector(BaseDetector):
    """Trunk, LFPN, context, heads, and as settings say the first-shot branch and HCAM.

    Boxes that come in (`gt_instances`) and go out have exclusive corners, x2 - x1 pixels wide.
    """

    def __init__(self, settings: Settings) -> None:
        divided = 255.0 if settings.input_scale == "released" else 1.0
        super().__init__(
            data_preprocessor=DetDataPreprocessor(MEAN, [divided * value for value in STD], bgr_to_rgb=True)
        )
        self.settings = s = settings
        self.nms_iou = s.nms_iou
        channels = trunk_channels(s)
        self.backbone = build_trunk(s)
        self.neck = LFPN(channels, s.pyramid, s.init_std)
        self.context = build_context(s.context, s.pyramid, s.init_std)
        deep = s.head == "deep"
        self.head = (
            DeepHeads(s.features, s.groups, s.init_std, s.deephead_convs) if deep else LevelHead(s.features, s.init_std)
        )
        self.first_shot = FirstShot(channels, s.pyramid, s.init_std) if s.first_shot else None
        self.hcam = HCAM(channels, s.pyramid, len(STRIDES), s.init_std, s.hcam_clamp) if s.hcam else None
        self.ams = Switches(s.ams_slice, s.ams_empty_level, s.ams_group, s.ams_fixed_640) if s.ams else None

    def init_weights(self) -> None:
        """Draw the trunk's weights, or load them; all others were drawn at construction. A second call does nothing."""
        if not self.is_init:
            super().init_weights()
            if self.settings.trunk_weights != FRESH:
                load_trunk(self.backbone, self.settings.trunk_weights)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Sequence[Tensor], list[Tensor]]:
        """C2..C5 and P2..P7 of images (B, 3, H, W)."""
        trunk = self.backbone(batch_inputs)
        return trunk, self.neck(trunk)

    def outputs(self, inputs: Tensor, score: float, auxiliary: bool = True) -> Outputs:
        """Everything computed for images (B, 3, H, W); score: above it HCAM takes a cell as predicted."""
        trunk, pyramid = self.extract_feat(inputs)
        main = self.head([self.context(level) for level in pyramid])
        first_shot = self.first_shot(trunk, pyramid) if auxiliary and self.first_shot is not None else None
        second = self.hcam(trunk, pyramid, main.logits, score) if self.hcam is not None else None
        return Outputs(main, first_shot, second)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: Any = None) -> tuple[list[Tensor], ...]:
        """Logits and codes per level of all parts, the first-shot branch included: what published costs count."""
        found = self.outputs(batch_inputs, self.settings.hcam_test_score)
        parts = [*found.main]
        if found.first_shot is not None:
            parts += [*found.first_shot]
        if found.second is not None:
            parts.append(found.second.logits)
        return tuple(parts)

    # -- training --------------------------------------------------------------------------------------------------------

    def loss(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """Weighted losses of a batch (B, 3, H, W): of the head, of the first-shot branch, of HCAM."""
        found = self.outputs(batch_inputs, self.settings.hcam_train_score)
        targets, losses = self._learn(found.main, batch_data_samples, 1.0, self.ams)
        if found.first_shot is not None:
            _, auxiliary = self._learn(found.first_shot, batch_data_samples, 0.5, None)
            losses |= {f"{name}_first": self.settings.auxiliary_weight * value for name, value in auxiliary.items()}
        if found.second is not None:
            positive = torch.stack([each.positive for each in targets])
            labels = second_labels(_flat(found.second.predicted), positive)
            losses["loss_cls_second"] = second_loss(_flat(found.second.logits), labels)
        return losses

    def targets(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> list[Targets]:
        """What the head's anchors would learn in a training step on these images, per image."""
        found = self.outputs(batch_inputs, self.settings.hcam_train_score, auxiliary=False)
        return self._targets(found.main, batch_data_samples, 1.0, self.ams)[0]

    def learned_anchors(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> list[LearnedAnchors]:
        """The positives of every image, those of Ali-AMS marked, as a training step on these images would choose them."""
        found = self.outputs(batch_inputs, self.settings.hcam_train_score, auxiliary=False)
        targets, anchors = self._targets(found.main, batch_data_samples, 1.0, self.ams)
        return [
            LearnedAnchors(
                exclusive(anchors[each.positive]), exclusive(each.boxes[each.positive]), each.recruited[each.positive]
            )
            for each in targets
        ]

    def _learn(
        self, maps: Maps, samples: Sequence[Any], scale: float, ams: Switches | None
    ) -> tuple[list[Targets], dict[str, Tensor]]:
        """Targets and losses of one head, whose anchors are `scale` times the model's."""
        targets, anchors = self._targets(maps, samples, scale, ams)
        positive = torch.stack([each.positive for each in targets])
        codes = torch.cat([each.codes(anchors) for each in targets])
        losses = {
            "loss_cls": class_loss(_flat(maps.logits), positive),
            "loss_box": box_loss(_flat_codes(maps.codes)[positive], codes, len(samples)),
        }
        return targets, losses

    def _targets(
        self, maps: Maps, samples: Sequence[Any], scale: float, ams: Switches | None
    ) -> tuple[list[Targets], Tensor]:
        anchors, sizes = self._anchors(maps, scale)
        logits = _flat(maps.logits).detach().float()
        faces = [inclusive(get_box_tensor(sample.gt_instances.bboxes).float()) for sample in samples]
        pairs = zip(faces, logits, strict=True)
        return [make_targets(own, anchors, scores, sizes, ams) for own, scores in pairs], anchors

    def _anchors(self, maps: Maps, scale: float = 1.0) -> tuple[Tensor, list[tuple[int, int]]]:
        sizes = [(level.shape[-2], level.shape[-1]) for level in maps.logits]
        return make_anchors(sizes, scale * self.settings.anchor_scale, maps.logits[0].device), sizes

    # -- test ------------------------------------------------------------------------------------------------------------

    def predict(self, batch_inputs: Tensor, batch_data_samples: Any, rescale: bool = True) -> Any:
        """Samples with `pred_instances`: boxes in pixels of the original image (rescale) or of the input, best first."""
        found = self.outputs(batch_inputs, self.settings.hcam_test_score, auxiliary=False)
        logits, codes = _flat(found.main.logits), _flat_codes(found.main.codes).float()
        scores = logits.float().sigmoid()
        if found.second is not None:
            second, predicted = _flat(found.second.logits).float(), _flat(found.second.predicted)
            scores = judged_scores(logits.float(), second, predicted, self.settings.hcam_test_branch)
        anchors, _ = self._anchors(found.main)
        results = [
            self._detections(own, boxes, anchors, sample, rescale)
            for own, boxes, sample in zip(scores, codes, batch_data_samples, strict=True)
        ]
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _detections(self, scores: Tensor, codes: Tensor, anchors: Tensor, sample: Any, rescale: bool) -> InstanceData:
        """One image's boxes: by score, suppressed, at most so many, clipped, in that order (specification 3.7).

        On exclusive corners the usual IoU is the one with + 1 that the specification asks for.
        """
        s = self.settings
        kept = torch.nonzero(scores > s.score)[:, 0]
        kept = kept[scores[kept].argsort(descending=True, stable=True)][: s.before_nms]
        boxes, scores = exclusive(decode(codes[kept], anchors[kept])), scores[kept]
        if len(kept):
            places = nms(boxes, scores, self.nms_iou)[1][: s.per_image]
            boxes, scores = boxes[places], scores[places]
        height, width = sample.img_shape[:2]
        boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
        if rescale:
            boxes = boxes / boxes.new_tensor(sample.scale_factor).repeat(2)
        return InstanceData(bboxes=boxes, scores=scores, labels=torch.zeros_like(scores, dtype=torch.int64))


def _flat(maps: Sequence[Tensor]) -> Tensor:
    """(B, N) of all levels from (B, 1, H, W) each."""
    return torch.cat([level.flatten(1) for level in maps], 1)


def _flat_codes(maps: Sequence[Tensor]) -> Tensor:
    """(B, N, 4) of all levels from (B, 4, H, W) each."""
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in maps], 1)

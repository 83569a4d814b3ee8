"""Inheriting copies the teacher's neck and heads, all of them or those that fit, and says which."""

from __future__ import annotations

import copy

import pytest
import torch

from benchmarks.base import RepriseError
from benchmarks.coco.distillation.inherit import inherit
from tests.coco import tiny_pairs as tiny
from tests.coco.tiny_pairs import FASTER_RCNN, RETINANET


def test_a_student_of_the_same_kind_gets_neck_and_heads_and_keeps_its_backbone() -> None:
    student, teacher = tiny.detector(RETINANET, seed=1), tiny.detector(RETINANET, seed=2)
    before, theirs = copy.deepcopy(student.state_dict()), teacher.state_dict()
    report = inherit(student, teacher, "yes", homogeneous=True)
    after = student.state_dict()
    assert set(report.copied) == {key for key in theirs if not key.startswith("backbone.")}
    assert {key.split(".")[0] for key in report.copied} == {"neck", "bbox_head"}
    assert all(torch.equal(after[key], theirs[key]) for key in report.copied)
    assert set(report.skipped) == {key for key in theirs if key.startswith("backbone.")}
    assert all(torch.equal(after[key], before[key]) for key in report.skipped)
    assert report.mismatched == report.own == ()
    moved = tiny.differing(before, after)
    assert {key.split(".")[0] for key in moved} == {"neck", "bbox_head"}
    assert tiny.differing(theirs, tiny.detector(RETINANET, seed=2).state_dict()) == []


def test_what_does_not_fit_stops_it_with_the_student_unchanged() -> None:
    student, teacher = tiny.detector(RETINANET), tiny.detector(RETINANET, width=16, seed=2)
    before = copy.deepcopy(student.state_dict())
    with pytest.raises(RepriseError, match=r"of another shape \(neck.lateral_convs.0.conv.weight .*inherit=partial"):
        inherit(student, teacher, "yes", homogeneous=True)
    assert tiny.differing(before, student.state_dict()) == []


def test_partial_copies_what_fits() -> None:
    student, teacher = tiny.detector(RETINANET), tiny.detector(RETINANET, width=16, seed=2)
    report = inherit(student, teacher, "partial", homogeneous=True)
    lateral = {f"neck.lateral_convs.{place}.conv.weight" for place in range(3)}
    assert set(report.mismatched) == lateral | {"neck.fpn_convs.3.conv.weight"}
    assert set(report.own) == set(report.mismatched)
    after, theirs = student.state_dict(), teacher.state_dict()
    assert all(torch.equal(after[key], theirs[key]) for key in report.copied)
    assert "bbox_head.retina_cls.weight" in report.copied


def test_different_kinds_inherit_only_in_part() -> None:
    student, teacher = tiny.detector(RETINANET), tiny.detector(FASTER_RCNN, seed=2)
    with pytest.raises(RepriseError, match=r"inherit=yes: FasterRCNN and RetinaNet are detectors of different kinds"):
        inherit(student, teacher, "yes", homogeneous=False)
    with pytest.raises(RepriseError, match=r"that the student lacks \(.*that the teacher lacks \("):
        inherit(student, teacher, "yes", homogeneous=True)
    report = inherit(student, teacher, "partial", homogeneous=False)
    assert {key.split(".")[0] for key in report.copied} == {"neck"}
    assert any(key.startswith("rpn_head.") for key in report.skipped)
    assert any(key.startswith("bbox_head.") for key in report.own)


def test_inheriting_nothing_is_no_inheriting() -> None:
    student, teacher = tiny.detector(RETINANET), tiny.detector(FASTER_RCNN, width=16, fpn=24)
    with pytest.raises(RepriseError, match="nothing of the teacher's neck and heads fits"):
        inherit(student, teacher, "partial", homogeneous=False)

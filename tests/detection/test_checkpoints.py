"""Weights in files: strict loading refuses what does not belong, exporting leaves what plain mmdet loads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import load_checkpoint

from benchmarks.base import RepriseError
from benchmarks.detection import configs
from benchmarks.detection.checkpoints import export_student, load_strict, sha256_of

KEY = "neck.lateral_convs.0.conv.weight"


def model() -> ConfigDict:
    found = configs.local(configs.packaged("retinanet/retinanet_r18_fpn_1x_coco")).model
    found.backbone.base_channels = 8
    found.neck.update(in_channels=[8, 16, 32, 64], out_channels=8)
    found.bbox_head.update(in_channels=8, feat_channels=8, stacked_convs=1, num_classes=2)
    return found


def detector(seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return configs.build_detector(model())


@pytest.fixture(scope="module")
def teacher() -> Any:
    return detector(1)


def differing(one: Any, other: Any) -> list[str]:
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    return [key for key in states[0] if not torch.equal(states[0][key], states[1][key])]


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_what_was_exported_is_loaded_to_the_bit(teacher: Any, tmp_path: Path) -> None:
    path = export_student(teacher, tmp_path / "new" / "a.pth", {"AP": 31.7, "classes": ["a", "b"]})
    other = detector(2)
    assert differing(teacher, other)
    assert load_strict(other, path) == {"AP": 31.7, "classes": ["a", "b"]}
    assert differing(teacher, other) == []
    assert [item.name for item in path.parent.iterdir()] == ["a.pth"]
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_export_holds_plain_weights_on_the_cpu_and_mmengine_loads_it(teacher: Any, tmp_path: Path) -> None:
    path = export_student(teacher, tmp_path / "a.pth", {})
    stored = torch.load(path, weights_only=True)
    assert stored.keys() == {"meta", "state_dict"}
    assert stored["state_dict"].keys() == teacher.state_dict().keys()
    assert all(value.device.type == "cpu" for value in stored["state_dict"].values())
    other = detector(2)
    load_checkpoint(other, str(path), map_location="cpu", strict=True)
    assert differing(teacher, other) == []


def test_half_precision_halves_the_file_and_loads_into_single_precision(teacher: Any, tmp_path: Path) -> None:
    whole = export_student(teacher, tmp_path / "a.pth", {})
    half = export_student(teacher, tmp_path / "b.pth", {}, half=True)
    other = detector(2)
    load_strict(other, half)
    assert half.stat().st_size < 0.75 * whole.stat().st_size
    for key, value in other.state_dict().items():
        expected = teacher.state_dict()[key]
        assert value.dtype == expected.dtype
        assert torch.equal(value, expected.half().float() if expected.is_floating_point() else expected)


@pytest.mark.parametrize("form", ["plain", "nested", "parallel"])
def test_weights_may_be_plain_nested_or_of_a_parallel_wrapper(teacher: Any, tmp_path: Path, form: str) -> None:
    state = dict(teacher.state_dict())
    if form == "parallel":
        state = {f"module.{key}": value for key, value in state.items()}
    path = saved(tmp_path / "a.pth", state if form == "plain" else {"state_dict": state, "meta": {"epoch": 12}})
    other = detector(2)
    assert load_strict(other, path) == ({} if form == "plain" else {"epoch": 12})
    assert differing(teacher, other) == []


def removed(state: dict[str, Any]) -> None:
    del state[KEY]


def renamed(state: dict[str, Any]) -> None:
    state["neck.old"] = state.pop(KEY)


def mis_shaped(state: dict[str, Any]) -> None:
    state[KEY] = state[KEY][:, :-1]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (removed, rf"1 missing \({KEY}\)$"),
        (renamed, rf"1 missing \({KEY}\); 1 unexpected \(neck.old\)$"),
        (mis_shaped, rf"1 of another shape \({KEY} \[8, 15, 1, 1\] in the file, \[8, 16, 1, 1\] here\)$"),
    ],
)
def test_a_damaged_teacher_is_refused_with_file_and_key(teacher: Any, tmp_path: Path, damage: Any, said: str) -> None:
    state = dict(teacher.state_dict())
    damage(state)
    path = saved(tmp_path / "teacher.pth", {"state_dict": state})
    with pytest.raises(RepriseError, match=rf"teacher.pth: does not belong to this RetinaNet: {said}"):
        load_strict(detector(2), path)


def test_another_detector_is_refused_naming_only_the_first_keys(teacher: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"state_dict": {f"{key}.x": v for key, v in teacher.state_dict().items()}})
    with pytest.raises(RepriseError, match=r"\d+ missing \(.*, \.\.\.\); \d+ unexpected \(.*, \.\.\.\)$") as caught:
        load_strict(detector(2), path)
    assert len(str(caught.value)) < 700


def test_weights_that_are_no_numbers_are_refused_both_ways(teacher: Any, tmp_path: Path) -> None:
    state = {key: value.clone() for key, value in teacher.state_dict().items()}
    state[KEY][0] = float("nan")
    with pytest.raises(RepriseError, match=rf"a.pth: {KEY} not finite"):
        load_strict(detector(2), saved(tmp_path / "a.pth", state))
    large = detector(2)
    with torch.no_grad():
        large.get_parameter(KEY).fill_(1e6)
    with pytest.raises(RepriseError, match=rf"b.pth: not written: {KEY} not finite in float16"):
        export_student(large, tmp_path / "b.pth", {}, half=True)
    assert not (tmp_path / "b.pth").exists()


def test_an_absent_or_damaged_file_is_named(teacher: Any, tmp_path: Path) -> None:
    for call in (lambda path: load_strict(teacher, path), sha256_of):
        with pytest.raises(RepriseError, match=r"none.pth: no such checkpoint"):
            call(tmp_path / "none.pth")
    whole = export_student(teacher, tmp_path / "a.pth", {}).read_bytes()
    for content in (b"", b"no weights at all", whole[: len(whole) // 2]):
        path = tmp_path / "b.pth"
        path.write_bytes(content)
        for trusted in (False, True):
            with pytest.raises(RepriseError, match=r"b.pth: damaged, or no checkpoint"):
                load_strict(detector(2), path, trusted)


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, {"state_dict": {"a": 1}}])
def test_a_file_without_weights_is_named(tmp_path: Path, content: Any) -> None:
    with pytest.raises(RepriseError, match=r"a.pth: holds "):
        load_strict(detector(2), saved(tmp_path / "a.pth", content))


class Note:
    """An object that a safe load refuses."""


def test_a_file_with_objects_is_loaded_only_where_it_is_trusted(teacher: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"state_dict": teacher.state_dict(), "history": Note()})
    other = detector(2)
    with pytest.raises(RepriseError, match=r"a.pth: holds Python objects .* runs code"):
        load_strict(other, path)
    load_strict(other, path, trusted=True)
    assert differing(teacher, other) == []

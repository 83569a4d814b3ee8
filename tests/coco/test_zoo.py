"""Detectors by name, and where their weights are expected."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from benchmarks.coco import zoo
from benchmarks.coco.zoo import ZOO, Detector, detector

PLUS = ZOO["RepPoints-R50-2x"]
"""A model whose file name has a plus sign, which its URL writes as %2B."""


@pytest.mark.parametrize("name", ZOO)
def test_the_catalogue_agrees_with_the_installed_model_zoo(name: str) -> None:
    assert ZOO[name].zoo_ap == zoo.zoo_entry_ap(ZOO[name])


def test_the_catalogue_agrees_with_the_published_figures(shared_data: Path) -> None:
    with (shared_data.parent / "published" / "mmdet_zoo.csv").open(newline="") as file:
        published = {row["config"].removesuffix(".py"): row["box_ap"] for row in csv.DictReader(file)}
    for found in ZOO.values():
        assert published[str(found.config)] == ("" if found.zoo_ap is None else f"{found.zoo_ap}"), found.name


def test_names_and_configurations_are_each_used_once() -> None:
    assert len({found.config for found in ZOO.values()}) == len(ZOO)
    assert all(name == found.name for name, found in ZOO.items())


def test_a_small_detector_is_known_by_the_form_of_its_name() -> None:
    assert detector("FCOS-R34w20") == Detector("FCOS-R34w20", None, None)
    assert detector("FCOS-R34w20").small
    assert not detector("FCOS-R50-ms2x").small


def test_an_unknown_detector_gives_the_nearest() -> None:
    with pytest.raises(RepriseError, match=r"unknown detector 'RetinaNet-R50-3x'; did you mean 'RetinaNet-R50-[12]x'"):
        detector("RetinaNet-R50-3x")


def test_a_checkpoint_has_the_name_under_which_the_zoo_publishes_it() -> None:
    assert zoo.checkpoint_file(ZOO["RetinaNet-R18-1x"]) == "retinanet_r18_fpn_1x_coco_20220407_171055-614fd399.pth"
    assert "gn-neck+head" in zoo.checkpoint_file(PLUS)


def test_a_detector_that_the_zoo_has_no_weights_for_is_expected_under_its_own_name() -> None:
    swin = ZOO["RetinaNet-SwinT-1x"]
    assert zoo.checkpoint_file(swin) == "RetinaNet-SwinT-1x.pth"
    with pytest.raises(RepriseError, match=r"RetinaNet-SwinT-1x\.pth: .*does not publish it: train it yourself"):
        zoo.checkpoint_path(swin)


def test_a_missing_checkpoint_names_file_folder_variable_and_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_CHECKPOINTS", str(tmp_path))
    with pytest.raises(RepriseError) as caught:
        zoo.checkpoint_path(ZOO["RetinaNet-X101-64x4d-1x"])
    message = str(caught.value)
    for part in (
        str(tmp_path),
        "retinanet_x101_64x4d_fpn_1x_coco_20200130-366f5af1.pth",
        "REPRISE_CHECKPOINTS",
        "https",
    ):
        assert part in message


def test_checkpoints_lie_in_the_home_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path))
    assert zoo.checkpoints_folder() == tmp_path / "checkpoints"


@pytest.mark.parametrize("spelt", ["+", "%2B"])
def test_a_checkpoint_is_found_under_its_name_and_as_its_url_spells_it(
    spelt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_CHECKPOINTS", str(tmp_path))
    path = tmp_path / zoo.checkpoint_file(PLUS).replace("+", spelt)
    path.touch()
    assert zoo.checkpoint_path(PLUS) == path


def test_a_small_detector_has_no_checkpoint_in_the_zoo() -> None:
    with pytest.raises(RepriseError, match="GFL-R18w16 is a small detector"):
        zoo.checkpoint_path(detector("GFL-R18w16"))

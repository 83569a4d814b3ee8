"""SynthCOCO: the same bits everywhere, right annotations, and what the settings promise."""

from __future__ import annotations

import colorsys
import json
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from pycocotools import mask as rle
from pycocotools.coco import COCO

from benchmarks.base import RepriseError, content_key, unheard
from benchmarks.coco import shapes
from benchmarks.coco.annotations import Annotations
from benchmarks.coco.census import census
from benchmarks.coco.metric import evaluate
from benchmarks.coco.pictures import check_pictures
from benchmarks.coco.scene import CATEGORIES, SceneSettings, draw
from benchmarks.coco.synth import (
    SynthSettings,
    load_synth,
    picture,
    picture_hash,
    run_lengths,
    synth_artifact,
    synth_dataset,
    verify,
)
from benchmarks.drawing import fixed_point, textures
from benchmarks.drawing.fixed_point import Draws
from benchmarks.drawing.outlines import Placement, cover

FIRST_PICTURES = "5357553df5a0c6f238d03b5599e098587033a9a37868f866ce14b69ddecd7cd8"
"""Hash of the first pictures of the default set, with what is drawn in them. Raise `synth.DRAWING` when it has to change."""

SETTINGS = SynthSettings(train_images=60, val_images=40, scene=SceneSettings(crowd=0.2, empty=0.1))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both splits of `SETTINGS`, each in a folder."""
    folders = {}
    for split in ("train", "val"):
        folders[split] = tmp_path_factory.mktemp(split)
        synth_artifact(SETTINGS, split).build(folders[split], unheard)  # type: ignore[arg-type]
    return folders


@pytest.fixture(scope="module")
def train(built: dict[str, Path]) -> Annotations:
    return load_synth(built["train"], "train")


def test_the_pictures_are_the_stored_ones() -> None:
    found = []
    for index in range(12):
        scene = picture(SynthSettings(), "train", index)
        objects = [[each.category, each.crowd, each.whole, run_lengths(each.seen)] for each in scene.drawn]
        found.append([picture_hash(scene.picture), objects])
    assert content_key(found) == FIRST_PICTURES


def test_no_sine_depends_on_the_machine() -> None:
    exact = [fixed_point.ONE * math.sin(2 * math.pi * step / fixed_point.TURN) for step in range(fixed_point.TURN)]
    assert min(abs(value % 1 - 0.5) for value in exact) > 1e-6


def test_no_radius_depends_on_the_machine() -> None:
    for low, high in (SceneSettings().radius, (5.0, 20.0)):
        exact = [64 * low * (high / low) ** (step / 255) for step in range(256)]
        assert min(abs(value % 1 - 0.5) for value in exact) > 1e-9


def test_noise_is_exact_whole_number_arithmetic() -> None:
    rows, columns = textures._cubic(96, 34).astype(np.int64), textures._cubic(80, 28).astype(np.int64)
    nodes = Draws(5).octets(3, 34, 28).astype(np.int64)
    expected = (rows @ nodes @ columns.T >> 12).transpose(1, 2, 0)
    assert np.array_equal(textures.noise(Draws(5), 96, 80, 3, 3), expected)


def test_noise_interpolates_as_opencv_does() -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV, which comes with mmcv")
    nodes = np.random.default_rng(0).random((34, 28))
    ours = textures._cubic(96, 34) @ nodes @ textures._cubic(80, 28).T / 1024**2
    assert np.abs(ours - cv2.resize(nodes, (80, 96), interpolation=cv2.INTER_CUBIC)).max() < 4e-3


def test_draws_are_spread_as_they_should_be() -> None:
    draws = Draws(1)
    die = np.bincount([draws.between(-1, 4) + 1 for _ in range(6000)], minlength=6)
    assert ((die > 850) & (die < 1150)).all()
    bell = np.array([draws.bell(1000) for _ in range(4000)])
    assert abs(bell.mean()) < 60
    assert bell.std() == pytest.approx(1000, rel=0.04)
    assert np.mean([draws.chance(0.3) for _ in range(4000)]) == pytest.approx(0.3, abs=0.03)
    assert draws.octets(50_000).mean() == pytest.approx(127.5, abs=1)


def float_outline(category: str) -> list[Outline]:
    """What the picture of a category should be, in floating point; the second outline is the hole."""

    def regular(corners: int, radius: float = 1.0, turned: float = 0.0, x: float = 0.0) -> Outline:
        angles = 2 * np.pi * (np.arange(corners) / corners + turned)
        return Outline(np.stack([x + radius * np.cos(angles), radius * np.sin(angles)], 1))

    star = np.arange(10) * np.pi / 5
    star_radius = np.where(np.arange(10) % 2, 0.42, 1.0)
    a, b = 0.32, 0.95
    cross = [(a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a), (-a, -b), (a, -b), (a, -a), (b, -a), (b, a)]
    arrow = [(1, 0), (0.1, 0.8), (0.1, 0.3), (-0.95, 0.3), (-0.95, -0.3), (0.1, -0.3), (0.1, -0.8)]
    return {
        "disc": [regular(400)],
        "ring": [regular(400), regular(400, 0.525)],
        "square": [regular(4, turned=1 / 8)],
        "rhombus": [Outline([(1, 0), (0, 0.5), (-1, 0), (0, -0.5)])],
        "triangle": [regular(3)],
        "star": [Outline(np.stack([star_radius * np.cos(star), star_radius * np.sin(star)], 1))],
        "cross": [Outline(cross)],
        "hexagon": [regular(6)],
        "crescent": [regular(400), regular(400, 0.85, x=0.5)],
        "arrow": [Outline(arrow)],
    }[category]


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_shape_covers_what_floating_point_geometry_says(category: str) -> None:
    x, y, radius, turn, ratio = 40.3, 28.7, 17.9, 0.137, 0.88
    at = Placement(round(64 * x), round(64 * y), round(64 * radius), round(4096 * turn), round(1024 * ratio))
    patch = cover(shapes.SHAPES[category], at, 64)
    assert patch is not None
    ours = np.zeros((64, 64))
    ours[patch.window] = patch.coverage / 16
    places = (np.arange(64 * 8) + 0.5) / 8
    px, py = np.meshgrid(places - x, places - y)
    c, s = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    own = np.stack([(px * c + py * s) / radius, (py * c - px * s) / (radius * ratio)], -1).reshape(-1, 2)
    outer, *holes = float_outline(category)
    inside = outer.contains_points(own)
    for hole in holes:
        inside &= ~hole.contains_points(own)
    exact = inside.reshape(64, 8, 64, 8).mean(axis=(1, 3))
    assert np.abs(ours - exact).max() < 0.26
    assert ours.sum() == pytest.approx(exact.sum(), rel=0.01)
    assert exact.sum() > 200


def test_boxes_areas_and_masks_belong_together(built: dict[str, Path], train: Annotations) -> None:
    coco = COCO(str(built["train"] / "annotations" / "instances_train.json"))
    assert len(coco.anns) == len(train.objects) > 250
    for entry in coco.anns.values():
        mask = coco.annToMask(entry)
        ys, xs = np.nonzero(mask)
        assert entry["bbox"] == [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
        assert entry["area"] == mask.sum() > 0
        assert entry["visible"] >= SETTINGS.scene.visible


def test_masks_of_one_picture_never_overlap_and_some_objects_are_hidden_in_part(train: Annotations) -> None:
    owners = {image["id"]: np.zeros((96, 96), int) for image in train.images}
    for entry in train.objects:
        packed = rle.frPyObjects(entry["segmentation"], 96, 96)
        owners[entry["image_id"]] += rle.decode(packed)
    assert max(each.max() for each in owners.values()) == 1
    hidden = np.mean([entry["visible"] < 0.95 for entry in train.objects])
    assert 0.02 < hidden < 0.5


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_category_band_crowds_and_empty_pictures_occur(built: dict[str, Path], split: str) -> None:
    found = census(load_synth(built[split], split))  # type: ignore[arg-type]
    assert found.categories == 10
    assert found.categories_without_object == ()
    assert min(found.bands_without_crowd) >= 5
    assert found.crowds >= 3
    assert found.images_without_object >= 2


def test_pictures_lie_where_the_annotations_say(built: dict[str, Path], train: Annotations) -> None:
    check_pictures(train, built["train"] / "train", sample=60)


def test_train_and_val_share_no_picture_and_no_id(built: dict[str, Path]) -> None:
    hashes, ids = [], []
    for split, folder in built.items():
        hashes += json.loads((folder / "manifest.json").read_text())["pictures"]
        ids += [image["id"] for image in load_synth(folder, split).images]  # type: ignore[arg-type]
    assert len(set(hashes)) == len(hashes) == len(set(ids)) == 100


def test_a_picture_does_not_depend_on_how_many_there_are() -> None:
    few, many = SynthSettings(train_images=5), SynthSettings(train_images=5000)
    assert np.array_equal(picture(few, "train", 3).picture, picture(many, "train", 3).picture)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ground_truth_fed_back_is_perfect_in_every_band(train: Annotations, kind: str) -> None:
    entries = []
    for entry in train.objects:
        packed = rle.frPyObjects(entry["segmentation"], 96, 96)
        mask = {"size": packed["size"], "counts": packed["counts"].decode()}
        if not entry["iscrowd"]:
            entries.append({**entry, "segmentation": mask, "score": 1.0})
    found = evaluate(train, entries, kind)  # type: ignore[arg-type]
    assert [found[name] for name in ("AP", "AP75", "APs", "APm", "APl", "AR100")] == pytest.approx([1.0] * 6)


def test_hue_alone_does_not_tell_the_category() -> None:
    draws, right = Draws(3), 0
    hues = {category: 3 * category % 10 / 10 for category in range(10)}
    for index in range(2000):
        category = index % 10
        colour = textures.colour_near(draws, round(4096 * hues[category]) % 4096, round(0.06 * 4096))
        hue = colorsys.rgb_to_hsv(*(level / 255 for level in colour))[0]
        right += min(hues, key=lambda each: abs((hue - hues[each] + 0.5) % 1 - 0.5)) == category
    assert 0.5 < right / 2000 < 0.7


def test_a_set_is_built_once_and_under_its_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path))
    small = SynthSettings(train_images=3, val_images=2)
    dataset = synth_dataset(small)
    assert dataset.artifact is not None
    folder = dataset.artifact.ensure()
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert synth_artifact(small, "train").ensure() == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    assert synth_artifact(small, "val").ready()
    keys = {
        synth_artifact(each, "train").key
        for each in (small, SynthSettings(3, 2, 1), SynthSettings(4, 2), SynthSettings(3, 9))
    }
    assert len(keys) == 3
    assert synth_dataset(SynthSettings(3, 9)).hash != dataset.hash


def test_a_damaged_set_is_found(built: dict[str, Path], tmp_path: Path) -> None:
    artifact = synth_artifact(SynthSettings(train_images=3, val_images=1), "train")
    artifact.build(tmp_path, unheard)
    verify(tmp_path, "train")
    other = built["train"] / "train" / "000009.png"
    (tmp_path / "train" / "000002.png").write_bytes(other.read_bytes())
    with pytest.raises(RepriseError, match=r"000002\.png: its pixels differ"):
        verify(tmp_path, "train")
    path = tmp_path / "annotations" / "instances_train.json"
    path.write_text(path.read_text().replace('"category_id":', '"category_id":1', 1))
    with pytest.raises(RepriseError):
        load_synth(tmp_path, "train")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 16},
        {"visible": 1.5},
        {"visible": 0.0},
        {"radius": (20.0, 6.0)},
        {"objects": (5, 2)},
        {"radius": (6.0, 60.0)},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RepriseError, match="SynthCOCO: "):
        SceneSettings(**wrong)  # type: ignore[arg-type]


def test_larger_pictures_draw_too() -> None:
    scene = draw(SceneSettings(size=160, radius=(10.0, 60.0), objects=(6, 6), empty=0.0), 4)
    assert scene.picture.shape == (160, 160, 3)
    assert len(scene.drawn) >= 3
    assert scene.picture.std() > 10

"""SynthFaces: the same bits everywhere, in WIDER's format, with all that makes faces hard, and scored by the metric unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from benchmarks.base import RepriseError, content_key, unheard
from benchmarks.drawing.picture_hash import picture_hash
from benchmarks.wider_face.annotations import ATTRIBUTES, FaceAnnotations, FaceImage, face_image
from benchmarks.wider_face.face_events import EVENTS
from benchmarks.wider_face.face_pictures import picture_sizes
from benchmarks.wider_face.face_scene import FaceScene, FaceSceneSettings, draw
from benchmarks.wider_face.ground_truth import load_ground_truth
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.predictions import Predictions
from benchmarks.wider_face.real_wider import FaceSplit, annotation_path, open_split, picture_folder, truth_folder
from benchmarks.wider_face.subsets import surrogate_subsets
from benchmarks.wider_face.synth_faces import (
    SynthFacesSettings,
    open_synth_faces,
    picture,
    synth_faces_artifact,
    synth_faces_dataset,
    verify,
)
from benchmarks.wider_face.truth_files import write_truth

FIRST_PICTURES = "7d3e7615a32ec35d186549426001dc9c18cde9e62c29a73fc1d0ab6a5133c0e0"
"""Hash of the first pictures of the default set and their faces. Raise `synth_faces.DRAWING` when it has to change."""

SETTINGS = SynthFacesSettings(train_images=20, val_images=120)
SUBSETS = ("easy", "medium", "hard")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both splits of `SETTINGS`, each in a folder."""
    folders = {}
    for split in ("train", "val"):
        folders[split] = tmp_path_factory.mktemp(split)
        synth_faces_artifact(SETTINGS, split).build(folders[split], unheard)  # type: ignore[arg-type]
    return folders


@pytest.fixture(scope="module")
def val(built: dict[str, Path]) -> FaceSplit:
    return open_synth_faces(built["val"], "val")


def column(split: FaceSplit, name: str) -> np.ndarray:
    return np.concatenate([image.attribute(name) for image in split.truth.images])


def heights_of(split: FaceSplit) -> np.ndarray:
    return np.concatenate([image.boxes[:, 3] for image in split.truth.images])


def test_the_pictures_are_the_stored_ones() -> None:
    found = []
    for index in range(12):
        scene = picture(SynthFacesSettings(), "train", index)
        faces = [[face.box, face.attributes, round(face.seen, 6)] for face in scene.faces]
        found.append([picture_hash(scene.picture), scene.event, faces])
    assert content_key(found) == FIRST_PICTURES


def test_a_picture_does_not_depend_on_how_many_there_are() -> None:
    few, many = SynthFacesSettings(train_images=5), SynthFacesSettings(train_images=5000)
    assert np.array_equal(picture(few, "train", 3).picture, picture(many, "train", 3).picture)


def test_a_built_split_opens_as_wider_face_does(built: dict[str, Path], val: FaceSplit) -> None:
    for split in ("train", "val"):
        own = open_synth_faces(built[split], split)  # type: ignore[arg-type]
        checked = open_split(built[split], split, complete=False, sample=SETTINGS.images(split))  # type: ignore[arg-type]
        assert own.sizes == checked.sizes == [(128, 128)] * SETTINGS.images(split)  # type: ignore[arg-type]
        assert [image.name for image in own.truth.images] == [image.name for image in checked.truth.images]
    assert picture_sizes(val.truth, val.folder) == val.sizes


def test_boxes_lie_within_their_pictures(val: FaceSplit) -> None:
    boxes = np.concatenate([image.boxes for image in val.truth.images])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 128).all()


def test_every_event_and_every_value_of_every_attribute_occurs(val: FaceSplit) -> None:
    assert set(val.truth.events) == {event.name for event in EVENTS}
    for name, highest in zip(ATTRIBUTES, (2, 1, 1, 1, 2, 1), strict=True):
        assert set(column(val, name).tolist()) == set(range(highest + 1)), name


def test_sizes_span_more_than_an_order_of_magnitude_and_shapes_vary(val: FaceSplit) -> None:
    heights = heights_of(val)
    widths = np.concatenate([image.boxes[:, 2] for image in val.truth.images])
    assert heights.min() <= 7
    assert heights.max() >= 70
    assert np.mean(heights < 9) > 0.1
    assert np.percentile(widths / heights, 2) < 0.62
    assert np.percentile(widths / heights, 98) > 1.1
    counts = [len(image.boxes) for image in val.truth.images]
    assert min(counts) == 1
    assert max(counts) >= 15


def test_the_subsets_hold_about_the_shares_that_widers_do(val: FaceSplit) -> None:
    """WIDER FACE val: 18, 34 and 80 % of all boxes."""
    kept = {name: sum(int(surrogate_subsets(image)[name].sum()) for image in val.truth.images) for name in SUBSETS}
    shares = {name: count / val.truth.faces for name, count in kept.items()}
    assert 0.1 < shares["easy"] < 0.28
    assert 0.3 < shares["medium"] < 0.6
    assert 0.65 < shares["hard"] < 0.9


def test_pictures_without_people_occur_in_train_only() -> None:
    settings = SynthFacesSettings(scene=FaceSceneSettings(empty=1.0))
    assert all(not picture(settings, "train", index).faces for index in range(4))
    assert all(picture(settings, "val", index).faces for index in range(4))


def test_more_in_front_of_faces_hides_more_of_them() -> None:
    def shares(occluded: float) -> tuple[float, float]:
        faces = [face for seed in range(20) for face in draw(FaceSceneSettings(occluded=occluded), seed).faces]
        return float(np.mean([face.seen for face in faces])), float(
            np.mean([face.attributes[4] == 2 for face in faces])
        )

    (seen, heavy), (less, more) = shares(0.0), shares(1.0)
    assert less < seen - 0.1
    assert more > heavy + 0.1


def test_blurred_faces_have_less_detail() -> None:
    sharp, soft = (
        [draw(FaceSceneSettings(blurred=share, soft=0.0, dim=0.0, grain=0, occluded=0.0), seed) for seed in range(20)]
        for share in (0.0, 1.0)
    )

    def blurred(scenes: list[FaceScene]) -> float:
        return float(np.mean([face.attributes[0] > 0 for scene in scenes for face in scene.faces]))

    def detail(scenes: list[FaceScene]) -> float:
        return float(np.mean([np.abs(np.diff(scene.picture.astype(float), axis=1)).mean() for scene in scenes]))

    assert blurred(sharp) < 0.3
    assert blurred(soft) > 0.9
    assert detail(soft) < 0.9 * detail(sharp)


def test_the_metric_reads_the_mat_files_and_scores_the_truth_as_nearly_perfect(
    built: dict[str, Path], val: FaceSplit
) -> None:
    truth = load_ground_truth(truth_folder(built["val"]))
    assert truth.name == "synthfaces-val"
    assert truth.notes == ()
    assert truth.images == tuple(image.key for image in val.truth.images)
    assert np.array_equal(truth.boxes, np.concatenate([image.boxes for image in val.truth.images]))
    scores = np.random.default_rng(0).permutation(len(truth.boxes)) / len(truth.boxes)
    rows = np.column_stack([truth.boxes, scores])
    parts = np.split(rows, truth.starts[1:-1])
    perfect = Predictions.of(dict(zip(truth.images, parts, strict=True)), truth)
    for value in evaluate(perfect, truth).average_precision.values():
        assert value is not None
        assert value > 0.99
    absent = Predictions.of({truth.images[0]: parts[0]}, truth)
    assert max(value or 0.0 for value in evaluate(absent, truth).average_precision.values()) < 0.2


def test_the_mat_files_hold_what_the_text_holds(built: dict[str, Path], val: FaceSplit) -> None:
    """Subsets by a plain loop over the rule of the protocol, section 1."""
    folder = truth_folder(built["val"])
    by_key = {image.key: image for image in val.truth.images}
    for subset in ("face", *SUBSETS):
        held = loadmat(str(folder / f"wider_{subset}_val.mat"))
        seen = 0
        for place, event in enumerate(held["event_list"].ravel()):
            for row, name in enumerate(held["file_list"][place, 0].ravel()):
                image = by_key[f"{event[0]}/{name[0]}"]
                boxes = held["face_bbx_list"][place, 0][row, 0]
                assert boxes.dtype == np.int32
                assert np.array_equal(boxes, image.boxes)
                for attribute in ATTRIBUTES:
                    label = held[f"{attribute}_label_list"][place, 0][row, 0]
                    assert np.array_equal(label.ravel(), image.attribute(attribute))
                if subset != "face":
                    kept = held["gt_list"][place, 0][row, 0].ravel().tolist()
                    assert kept == [face + 1 for face in range(len(boxes)) if counts(image, face, subset)]
                seen += 1
        assert seen == len(by_key)


def counts(image: FaceImage, face: int, subset: str) -> bool:
    height = image.boxes[face, 3]
    blur, _, _, invalid, occlusion, _ = image.attributes[face].tolist()
    if invalid:
        return False
    if subset == "hard":
        return bool(height >= 9)
    if subset == "medium":
        return bool(height >= 16 and not (blur == 2 and occlusion == 2))
    return bool(height >= 34 and blur < 2 and occlusion < 2)


def test_the_rule_of_the_subsets_at_its_edges() -> None:
    heights, blur, occlusion, invalid = zip(
        *[
            *((34, 0, 0, 0), (33, 0, 0, 0), (16, 2, 1, 0), (16, 1, 2, 0), (16, 2, 2, 0)),
            *((15, 0, 0, 0), (9, 2, 2, 0), (8, 0, 0, 0), (50, 2, 0, 0), (50, 0, 2, 0), (50, 0, 0, 1)),
        ],
        strict=True,
    )
    rows = [[0, 0, 10, height] for height in heights]
    values = [[b, 0, 0, i, o, 0] for b, o, i in zip(blur, occlusion, invalid, strict=True)]
    found = surrogate_subsets(face_image("0--A/a.png", [*rows, [0, 0, 0, 40]], [*values, [0] * 6]))
    assert np.flatnonzero(found["easy"]).tolist() == [0]
    assert np.flatnonzero(found["medium"]).tolist() == [0, 1, 2, 3, 8, 9]
    assert np.flatnonzero(found["hard"]).tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_writing_the_truth_twice_gives_the_same_bytes(tmp_path: Path, val: FaceSplit) -> None:
    for name in ("first", "second"):
        write_truth(val.truth, tmp_path / name, "own")
    for path in sorted((tmp_path / "first").iterdir()):
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
    assert len(list((tmp_path / "first").iterdir())) == 5


def test_truth_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    for image in (face_image("0--A/a.png", [[0, 0, 9, 9]]), face_image("0--A/a.png", [[0.5, 0, 9, 9]], [[0] * 6])):
        with pytest.raises(RepriseError, match=r"0--A/a\.png"):
            write_truth(FaceAnnotations(Path("own.txt"), (image,)), tmp_path / "never", "own")


def test_train_and_val_share_no_picture_and_no_name(built: dict[str, Path]) -> None:
    manifests = [json.loads((folder / "manifest.json").read_text())["pictures"] for folder in built.values()]
    names = [name for manifest in manifests for name in manifest]
    hashes = [found for manifest in manifests for found in manifest.values()]
    assert len(set(names)) == len(set(hashes)) == len(names) == 140


def test_a_set_is_built_once_and_under_its_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path))
    small = SynthFacesSettings(train_images=3, val_images=2)
    dataset = synth_faces_dataset(small)
    assert dataset.artifact is not None
    folder = dataset.artifact.ensure()
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert synth_faces_artifact(small, "train").ensure() == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    assert synth_faces_artifact(small, "val").ready()
    others = (SynthFacesSettings(3, 2, 1), SynthFacesSettings(4, 2), SynthFacesSettings(3, 9))
    assert len({synth_faces_artifact(each, "train").key for each in (small, *others)}) == 3
    assert synth_faces_dataset(SynthFacesSettings(3, 9)).hash != dataset.hash


def test_a_damaged_set_is_found(built: dict[str, Path], tmp_path: Path) -> None:
    artifact = synth_faces_artifact(SynthFacesSettings(train_images=3, val_images=3), "val")
    artifact.build(tmp_path, unheard)
    verify(tmp_path, "val")
    opened = open_synth_faces(tmp_path, "val")
    other = open_synth_faces(built["val"], "val")
    damaged = picture_folder(tmp_path, "val") / opened.truth.images[1].name
    damaged.write_bytes((other.folder / other.truth.images[50].name).read_bytes())
    with pytest.raises(RepriseError, match=f"{damaged.name}: its pixels differ"):
        verify(tmp_path, "val")
    damaged.write_bytes(b"")
    with pytest.raises(RepriseError, match=f"{damaged.name}: not readable"):
        verify(tmp_path, "val")
    text = annotation_path(tmp_path, "val")
    rows = text.read_text().splitlines()
    x, *rest = rows[2].split()
    text.write_text("\n".join([*rows[:2], " ".join([str(int(x) + 1), *rest]), *rows[3:]]))
    with pytest.raises(RepriseError, match="differs from what was built"):
        open_synth_faces(tmp_path, "val")


@pytest.mark.parametrize("wrong", [{"size": 32}, {"size": 1024}, {"blurred": 1.5}, {"empty": -0.1}, {"grain": 200}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RepriseError, match="SynthFaces: "):
        FaceSceneSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(RepriseError, match="at least 1"):
        SynthFacesSettings(train_images=0)


@pytest.mark.parametrize("size", [64, 256])
def test_pictures_of_other_sizes_draw_too(size: int) -> None:
    scenes = [draw(FaceSceneSettings(size=size), seed) for seed in range(4)]
    assert all(scene.picture.shape == (size, size, 3) for scene in scenes)
    assert sum(len(scene.faces) for scene in scenes) >= 4

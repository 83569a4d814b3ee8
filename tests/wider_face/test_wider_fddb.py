"""FDDB's discrete ROC: pixels by testing every one, matching by trying every assignment, files and command."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.wider_face.fddb import ImageFaces, Roc, discrete_roc
from benchmarks.wider_face.fddb_files import load_fddb, sizes_in
from benchmarks.wider_face.fddb_shapes import Shape, ellipse, overlap, rectangle
from tests.wider_face.command_status import status

WIDTH, HEIGHT = 60, 44


def pixels(shape: Shape) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for row, (left, right) in enumerate(zip(shape.left.tolist(), shape.right.tolist(), strict=True), shape.top):
        mask[row, left : max(left, right + 1)] = True
    return mask


def plain_rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    return np.array([[x <= j < x + w and y <= i < y + h for j in range(WIDTH)] for i in range(HEIGHT)])


def plain_ellipse(major: float, minor: float, angle: float, x: float, y: float) -> np.ndarray:
    def inside(i: int, j: int) -> bool:
        along = (j - x) * math.cos(angle) + (i - y) * math.sin(angle)
        across = -(j - x) * math.sin(angle) + (i - y) * math.cos(angle)
        return (along / major) ** 2 + (across / minor) ** 2 <= 1

    return np.array([[inside(i, j) for j in range(WIDTH)] for i in range(HEIGHT)])


def random_ellipse(rng: np.random.Generator) -> tuple[float, ...]:
    return (
        rng.uniform(4, 22),
        rng.uniform(3, 14),
        rng.uniform(-2, 2),
        rng.uniform(-5, WIDTH + 5),
        rng.uniform(-5, HEIGHT + 5),
    )


def random_rectangle(rng: np.random.Generator) -> tuple[float, ...]:
    return (rng.uniform(-9, WIDTH), rng.uniform(-9, HEIGHT), rng.uniform(-1, 30), rng.uniform(-1, 30))


@pytest.mark.parametrize("seed", range(25))
def test_shapes_cover_the_pixels_that_a_test_of_each_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    oval, box = random_ellipse(rng), random_rectangle(rng)
    one, other = ellipse(*oval, WIDTH, HEIGHT), rectangle(*box, WIDTH, HEIGHT)  # type: ignore[call-arg]
    mask, square = plain_ellipse(*oval), plain_rectangle(*box)  # type: ignore[call-arg]
    assert np.array_equal(pixels(one), mask)
    assert np.array_equal(pixels(other), square)
    assert (one.area, other.area) == (mask.sum(), square.sum())
    both, either = (mask & square).sum(), (mask | square).sum()
    assert overlap(one, other) == pytest.approx(both / either if either else 0.0, abs=1e-15)
    assert overlap(other, one) == overlap(one, other)


def plain_roc(images: list[tuple[list[np.ndarray], list[np.ndarray], list[float]]]) -> list[tuple[float, int, int]]:
    """At every score: true and false positives, each image's matching found by trying all."""
    points = []
    for level in sorted({score for _, _, scores in images for score in scores}, reverse=True):
        hits = kept = 0
        for faces, found, scores in images:
            masks = [mask for mask, score in zip(found, scores, strict=True) if score >= level]
            kept += len(masks)
            hits += plain_matches(faces, masks)
        points.append((level, hits, kept - hits))
    return points


def plain_matches(faces: list[np.ndarray], found: list[np.ndarray]) -> int:
    values = [[(face & mask).sum() / max((face | mask).sum(), 1) for face in faces] for mask in found]
    best, hits = -1.0, 0
    size = max(len(faces), len(found))
    for order in itertools.permutations(range(size), len(found)):
        pairs = [values[row][column] for row, column in enumerate(order) if column < len(faces)]
        if sum(pairs) > best + 1e-12:
            best, hits = sum(pairs), sum(value > 0.5 for value in pairs)
    return hits


@pytest.mark.parametrize("kind", ["rectangles", "ellipses"])
@pytest.mark.parametrize("seed", range(3))
def test_the_roc_equals_a_search_through_all_assignments(kind: str, seed: int) -> None:
    rng = np.random.default_rng([seed, 7])
    images, plain = {}, []
    for number in range(8):
        faces = [random_ellipse(rng) for _ in range(int(rng.integers(0, 4)))]
        found, scores = [], []
        for face in (*faces, *faces[:1]):
            major, minor, angle, x, y = (value * rng.uniform(0.85, 1.15) for value in face)
            tall, wide = (
                math.hypot(major * math.sin(angle), minor * math.cos(angle)),
                math.hypot(major * math.cos(angle), minor * math.sin(angle)),
            )
            found.append(
                (major, minor, angle, x, y) if kind == "ellipses" else (x - wide, y - tall, 2 * wide, 2 * tall)
            )
            scores.append(float(rng.integers(0, 6)))
        found.append(random_ellipse(rng) if kind == "ellipses" else random_rectangle(rng))
        scores.append(float(rng.integers(0, 6)))
        draw, plainly = (ellipse, plain_ellipse) if kind == "ellipses" else (rectangle, plain_rectangle)
        images[str(number)] = ImageFaces(
            [ellipse(*face, WIDTH, HEIGHT) for face in faces],
            [draw(*each, WIDTH, HEIGHT) for each in found],
            scores,  # type: ignore[call-arg,operator]
        )
        plain.append(([plain_ellipse(*face) for face in faces], [plainly(*each) for each in found], scores))  # type: ignore[call-arg,operator]
    roc = discrete_roc(images)
    points = list(zip(roc.scores.tolist(), roc.true_positives.tolist(), roc.false_positives.tolist(), strict=True))
    assert points == plain_roc(plain)
    assert roc.true_positives[-1] > 4


def test_the_rate_is_taken_at_the_largest_number_of_false_positives_below_the_limit() -> None:
    roc = Roc(np.array([4.0, 3, 2, 1]), np.array([10, 20, 25, 30]), np.array([0, 40, 40, 90]), 50)
    assert roc.rate_below(90) == (0.5, 40)
    assert roc.rate_below(91) == (0.6, 90)
    assert roc.rate_below(40) == (0.2, 0)
    assert Roc(np.array([1.0]), np.array([1]), np.array([5]), 2).rate_below(5) == (0.0, 0)


def test_a_matching_of_largest_sum_is_not_greedy() -> None:
    """The first detection fits both faces, the second only one: greedy matching by score would find one."""
    faces = [rectangle(0, 0, 20, 20, WIDTH, HEIGHT), rectangle(4, 0, 20, 20, WIDTH, HEIGHT)]
    found = [rectangle(3, 0, 20, 20, WIDTH, HEIGHT), rectangle(5, 0, 20, 20, WIDTH, HEIGHT)]
    roc = discrete_roc({"a": ImageFaces(faces, found, [0.9, 0.9])})
    assert (roc.true_positives.tolist(), roc.false_positives.tolist()) == ([2], [0])


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    folds = tmp_path / "folds"
    folds.mkdir()
    (folds / "FDDB-fold-01-ellipseList.txt").write_text(
        "2002/img_1\n1\n12 9 1.2 30 20  1\n2002/img_2\n2\n8 6 0 15 15 1\n8 6 0 40 30 1\n"
    )
    (folds / "FDDB-fold-01.txt").write_text("2002/img_1\n2002/img_2\n")
    for name in ("img_1", "img_2", "img_3"):
        path = tmp_path / "pictures" / "2002" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    found = tmp_path / "found.txt"
    found.write_text(
        "2002/img_1\n2\n12 9 1.2 30 20 0.9\n3 3 0 5 5 0.5\n2002/img_2\n1\n8 6 0 40 30 0.7\n2002/img_3\n0\n"
    )
    return {"truth": folds, "found": found, "pictures": tmp_path / "pictures"}


def words(places: dict[str, Path]) -> list[str]:
    return [
        "fddb",
        "--predictions",
        str(places["found"]),
        "--ground-truth",
        str(places["truth"]),
        "--images",
        str(places["pictures"]),
    ]


def test_the_command_states_the_facts_beside_the_figure(
    places: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*words(places), "--mapped", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["true_positive_rate"] == pytest.approx(2 / 3)
    assert (found["false_positives"], found["faces"], found["images"]) == (1, 3, 2)
    assert (found["detected_shape"], found["mapped_to_ellipses"], found["extended_annotations"]) == (
        "ellipses",
        True,
        False,
    )
    assert found["notes"] == [
        "2 images with 3 faces; FDDB has 2,845 with 5,171",
        "detections on 1 images that are not annotated are ignored, 2002/img_3 first",
    ]
    assert status(*words(places)) == 0
    assert "detected ellipses; original annotations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("which", "text", "message"),
    [
        ("found", "2002/img_1\nx\n", r"found.txt: line 1: after '2002/img_1' comes 'x', not the number of shapes"),
        ("found", "2002/img_1\n2\n1 2 3 4 0.5\n", r"line 1: '2002/img_1' announces 2 shapes; the file ends before"),
        ("found", "2002/img_1\n1\n1 2 3 4\n", r"found.txt: line 3: '1 2 3 4' has 4 numbers, not 5 or 6"),
        ("found", "2002/img_1\n1\n1 2 3 4 nan\n", r"line 3: .* 'nan' is no finite number"),
        ("found", "2002/img_1\n1\n0 2 3 4 5 0.5\n", r"line 3: .* radii must be positive"),
        ("found", "2002/img_1\n0\n2002/img_1\n0\n", r"line 3: image '2002/img_1' stands twice"),
        ("found", "2002/img_1\n2\n1 2 3 4 0.5\n1 2 3 4 5 0.5\n", r"has rectangles and ellipses"),
        ("found", "2002/img_1\n0\n", r"has no detection"),
        ("found", "other\n1\n1 2 3 4 0.5\n", r"none of its images, such as 'other', is in"),
        ("truth", "2002/img_1\n1\n1 2 3 4 0.5\n", r"has 5 numbers, not 6"),
        ("truth", "2002/img_9\n0\n2002/img_1\n1\n9 9 0 9 9 1\n", r"has no picture '2002/img_9.jpg'"),
    ],
)
def test_malformed_files_are_named(which: str, text: str, message: str, places: dict[str, Path]) -> None:
    path = places["found"] if which == "found" else places["truth"] / "FDDB-fold-01-ellipseList.txt"
    path.write_text(text)
    with pytest.raises(RepriseError, match=message):
        load_fddb(places["truth"], places["found"], sizes_in(places["pictures"]))

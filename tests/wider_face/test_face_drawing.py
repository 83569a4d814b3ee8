"""A drawn head is where its pose says, shows what its looks say, and blurs as a picture does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.wider_face.face_events import EVENTS, HEIGHTS, heights
from benchmarks.wider_face.head import DEGREES, Head, Looks, Pose, draw_head
from benchmarks.wider_face.layer import Layer, placed

IRIS, SKIN, HAIR, CLOTH = (0, 0, 255), (255, 0, 0), (0, 255, 0), (255, 255, 0)


def looks(**changes: object) -> Looks:
    return Looks(skin=SKIN, hair=HAIR, cloth=CLOTH, iris=IRIS, **changes)  # type: ignore[arg-type]


def pose(height: float = 60, **changes: int) -> Pose:
    return Pose(x=round(64 * 50.3), y=round(64 * 47.8), height=round(64 * height), ratio=768, **changes)


def parts(head: Head) -> dict[str, np.ndarray]:
    """Where each pure colour is, on a picture of 100 x 100."""
    red, green, blue = (head.layer.colour[..., channel] for channel in range(3))
    found = {
        "iris": (blue > 20 * 256) & (red < blue // 4) & (green < blue // 4),
        "skin": (red > 20 * 256) & (green < red // 4) & (blue < red // 4),
        "hair": (green > 20 * 256) & (red < green // 4),
        "cloth": (green > 20 * 256) & (red > 20 * 256) & (blue < red // 4),
    }
    return {name: placed(inside, head.layer.top, head.layer.left, 100) for name, inside in found.items()}


@pytest.mark.parametrize("height", [12.0, 31.0, 60.0])
@pytest.mark.parametrize("roll", [0, 30, -75])
def test_the_face_is_the_egg_that_floating_point_geometry_says(height: float, roll: int) -> None:
    found = pose(height, roll=roll * DEGREES)
    head = draw_head(found, looks())
    mask = placed(head.face, head.layer.top, head.layer.left, 100)
    angle = 2 * math.pi * found.roll / 4096
    fine = (np.arange(800) + 0.5) / 8
    dx, dy = np.meshgrid(fine - found.x / 64, fine - found.y / 64)
    down = (dy * math.cos(angle) - dx * math.sin(angle)) / (height / 2)
    right = (dx * math.cos(angle) + dy * math.sin(angle)) / (height / 2 * 0.75)
    inside = down**2 + (right * (1 + np.maximum(down, 0) * 5 / 32)) ** 2 <= 1
    exact = inside.reshape(100, 8, 100, 8).mean(axis=(1, 3))
    assert mask.sum() == pytest.approx(exact.sum(), rel=0.04)
    assert (mask == (exact >= 0.5)).mean() > 0.995
    rows, columns = np.nonzero(exact > 0.02)
    across, along = (extent / 64 for extent in found.half_extents())
    assert columns.max() + 1 - columns.min() == pytest.approx(2 * across, abs=2.5)
    assert rows.max() + 1 - rows.min() == pytest.approx(2 * along, abs=2.5)


def test_a_head_shows_two_eyes_from_the_front_one_in_profile_and_none_from_behind() -> None:
    front, aside, behind = (
        int(parts(draw_head(pose(yaw=yaw * DEGREES), looks(back=back)))["iris"].sum())
        for yaw, back in ((0, False), (72, False), (0, True))
    )
    assert front > 20
    assert 0 < aside < 0.7 * front
    assert behind == 0


@pytest.mark.parametrize(("yaw", "pitch"), [(40, 0), (-40, 0), (0, 20), (0, -20)])
def test_features_move_where_the_head_turns(yaw: int, pitch: int) -> None:
    def middle(turned: Pose) -> np.ndarray:
        return np.argwhere(parts(draw_head(turned, looks()))["iris"]).mean(axis=0)

    moved = middle(pose(yaw=yaw * DEGREES, pitch=pitch * DEGREES)) - middle(pose())
    assert np.sign(np.round(moved / 3)).tolist() == [np.sign(pitch), np.sign(yaw)]


def test_what_is_worn_hides_what_it_should() -> None:
    bare = {name: int(mask.sum()) for name, mask in parts(draw_head(pose(), looks(style="bald"))).items()}
    assert bare["hair"] == bare["cloth"] == 0
    covered = parts(draw_head(pose(), looks(style="bald", face_mask=True)))
    assert covered["cloth"].sum() > 0.25 * bare["skin"]
    assert covered["iris"].sum() == bare["iris"]
    assert parts(draw_head(pose(), looks(style="bald", sunglasses=True)))["iris"].sum() == 0
    framed = draw_head(pose(), looks(style="bald", glasses=True))
    assert parts(framed)["iris"].sum() >= bare["iris"] // 2
    assert (framed.layer.colour != draw_head(pose(), looks(style="bald")).layer.colour).any()
    assert parts(draw_head(pose(), looks(style="long")))["hair"].sum() > parts(draw_head(pose(), looks()))["hair"].sum()
    assert parts(draw_head(pose(), looks(animal=True)))["skin"].sum() < 0.5 * bare["skin"]


def test_light_from_a_side_darkens_the_other() -> None:
    head = draw_head(pose(), looks(style="bald", blank=True, light=(700, 0, 512)))
    red = head.layer.colour[..., 0]
    middle = red.shape[1] // 2
    rows = slice(red.shape[0] // 2 - 4, red.shape[0] // 2 + 4)
    assert red[rows, middle + 12].mean() > 2 * red[rows, middle - 12].mean()


@pytest.mark.parametrize("width", [3, 5, 9])
def test_blur_spreads_a_point_by_the_stated_variance(width: int) -> None:
    point = Layer(10, 20, np.full((1, 1, 3), 256 * 200, np.int32), np.full((1, 1), 256, np.int32))
    spread = point.blurred(width, 1)
    weights = spread.colour[0, :, 0] / spread.colour[0, :, 0].sum()
    places = spread.left + np.arange(len(weights))
    mean = (weights * places).sum()
    assert mean == pytest.approx(20, abs=0.05)
    assert (weights * (places - mean) ** 2).sum() == pytest.approx((width**2 - 1) / 6, rel=0.03)
    assert spread.colour[..., 0].sum() == pytest.approx(256 * 200, rel=0.02)
    assert spread.top == 10
    assert len(point.blurred(1, width).alpha) == 2 * width - 1


def test_blur_is_a_moving_mean_taken_twice() -> None:
    levels = np.random.default_rng(0).integers(0, 256 * 255, (7, 9))
    layer = Layer(0, 0, np.repeat(levels[..., None], 3, 2).astype(np.int32), np.full((7, 9), 256, np.int32))
    expected = np.pad(levels.astype(float), ((2, 2), (4, 4)))
    for axis, width in ((1, 5), (0, 3)):
        for _ in range(2):
            expected = np.apply_along_axis(
                lambda line, w=width: np.convolve(line, np.ones(w) / w, "same"), axis, expected
            )
    assert np.abs(layer.blurred(5, 3).colour[..., 1] - expected).max() < 5


def test_a_layer_lies_over_a_picture_by_its_alpha_and_is_cut_at_the_edge() -> None:
    random = np.random.default_rng(1)
    alpha = random.integers(0, 257, (6, 8)).astype(np.int32)
    own = random.integers(0, 256, (6, 8, 3)).astype(np.int32)
    picture = random.integers(0, 256 * 255, (10, 10, 3)).astype(np.int32)
    before = picture.copy()
    layer = Layer(-2, 5, own * alpha[..., None], alpha)
    layer.over(picture)
    for row in range(10):
        for column in range(10):
            y, x = row + 2, column - 5
            if 0 <= y < 6 and 0 <= x < 8:
                share = alpha[y, x] / 256
                expected = before[row, column] * (1 - share) + own[y, x] * 256 * share
                assert np.abs(picture[row, column] - expected).max() <= 1
            else:
                assert (picture[row, column] == before[row, column]).all()
    assert layer.mask(10).sum() == (2 * alpha[2:, :5] >= 256).sum()


def test_a_layer_outside_the_picture_changes_nothing() -> None:
    for top, left in ((-9, 0), (12, 3), (0, -20), (3, 40)):
        picture = np.zeros((10, 10, 3), np.int32)
        layer = Layer(top, left, np.full((4, 5, 3), 999, np.int32), np.full((4, 5), 256, np.int32))
        layer.over(picture)
        assert not picture.any()
        assert not layer.mask(10).any()


def test_no_height_depends_on_the_machine() -> None:
    for event in EVENTS:
        for size in (64, 128, 192, 256, 384, 512):
            low, high = (share * size for share in event.height)
            exact = [64 * low * (high / low) ** (step / (HEIGHTS - 1)) for step in range(HEIGHTS)]
            assert min(abs(value % 1 - 0.5) for value in exact) > 1e-9
            assert list(heights(event, size)) == [round(value) for value in exact]

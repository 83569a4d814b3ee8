"""Every test protocol brings pictures to the scales that the specification names, under the title of the published figures."""

from __future__ import annotations

import csv
import math
from importlib.resources import files

import pytest

from benchmarks.wider_face.multi_scale import Kind, Pass, passes
from benchmarks.wider_face.protocols import PROTOCOLS, Protocol

PLAIN: tuple[Protocol, ...] = ("orig", "vga640", "short1600", "r1100x1650")


@pytest.mark.parametrize(
    ("name", "height", "width", "scale"),
    [
        ("vga640", 768, 1024, 0.625),
        ("vga640", 1280, 1024, 0.5),
        ("vga640", 128, 100, 5.0),
        ("vga640", 640, 640, 1.0),
        ("short1600", 800, 1000, 2.0),
        ("short1600", 1024, 800, 2.0),
        ("short1600", 576, 1024, 2150 / 1024),  # 1600 / 576 would make it 2844 pixels long
        ("short1600", 1376, 1024, 1.5625),  # exactly the cap: 2150 long
        ("short1600", 3200, 4000, 0.5),
        ("r1100x1650", 1024, 550, 1650 / 1024),
        ("r1100x1650", 880, 1024, 1.25),
        ("r1100x1650", 1024, 880, 1.25),
        ("r1100x1650", 2200, 3300, 0.5),
        ("orig", 768, 1024, 1.0),
        ("orig", 2684, 4000, 1.0),  # 10.736 million pixels
        ("orig", 4000, 5000, math.sqrt(0x7FFFFFFF / 200 / 20e6)),
    ],
)
def test_one_pass_at_the_scale_by_hand(name: Protocol, height: int, width: int, scale: float) -> None:
    (only,) = PROTOCOLS[name].passes(height, width)
    assert only == Pass(pytest.approx(scale, rel=1e-12))


@pytest.mark.parametrize("kind", ["ms", "ms_hard"])
@pytest.mark.parametrize("size", [(768, 1024), (4000, 5000), (64, 64)])
def test_several_passes_are_those_of_the_multi_scale_test(kind: Kind, size: tuple[int, int]) -> None:
    assert list(PROTOCOLS[kind].passes(*size)) == passes(*size, kind)


def test_boxes_vote_where_there_are_several_passes_and_only_there() -> None:
    assert {name: protocol.voting for name, protocol in PROTOCOLS.items() if protocol.voting} == {
        "ms": "ms",
        "ms_hard": "ms_hard",
    }
    assert (PROTOCOLS["ms"].nms_iou, PROTOCOLS["ms_hard"].nms_iou) == (0.3, 0.4)
    assert all(PROTOCOLS[name].nms_iou is None for name in PLAIN)


def test_only_the_vga_test_pads() -> None:
    assert {name: protocol.divisor for name, protocol in PROTOCOLS.items() if protocol.divisor != 1} == {"vga640": 32}


def test_titles_are_those_of_the_published_figures() -> None:
    text = files("results").joinpath("published", "face_detection.csv").read_text()
    tasks = {row["task"] for row in csv.DictReader(text.splitlines())}
    assert {protocol.title for protocol in PROTOCOLS.values()} == tasks - {"unknown", "model cost"}

"""The twelve box figures by plain loops over the rules of the detection protocol, section 2; slow, for small sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Entry = Mapping[str, Any]
IOUS = np.linspace(0.5, 0.95, 10).tolist()
RECALLS = np.linspace(0.0, 1.0, 101).tolist()
"""Written as pycocotools writes them: a recall of exactly 0.29 must fall on the same side of the threshold."""


def figures(truth: Mapping[str, Any], found: Sequence[Entry], limits: tuple[float, float]) -> dict[str, float | None]:
    """All twelve; None where nothing counts."""
    ranges = {"": (0, 1e10), "s": (0, limits[0]), "m": limits, "l": (limits[1], 1e10)}
    values: dict[str, float | None] = {}
    for name, ious in (("AP", IOUS), ("AP50", [0.5]), ("AP75", [0.75])):
        values[name] = _mean(truth, found, ious, ranges[""], 100, _precision)
    for band in "sml":
        values["AP" + band] = _mean(truth, found, IOUS, ranges[band], 100, _precision)
    for most in (1, 10, 100):
        values[f"AR{most}"] = _mean(truth, found, IOUS, ranges[""], most, _recall)
    for band in "sml":
        values["AR" + band] = _mean(truth, found, IOUS, ranges[band], 100, _recall)
    return values


def _mean(truth: Any, found: Any, ious: list[float], area: tuple[float, float], most: int, of: Any) -> float | None:
    values = []
    for category in truth["categories"]:
        for iou in ious:
            value = of(*_outcomes(truth, found, category["id"], iou, area, most))
            if value is not None:
                values.append(value)
    return sum(values) / len(values) if values else None


def _outcomes(
    truth: Any, found: Sequence[Entry], category: int, iou: float, area: tuple[float, float], most: int
) -> tuple[list[bool], int]:
    """Whether each counted detection of a category is right, by falling score, and the number of counted objects."""
    scored: list[tuple[float, bool]] = []
    counted = 0
    for image in sorted(entry["id"] for entry in truth["images"]):
        objects = [e for e in truth["annotations"] if (e["image_id"], e["category_id"]) == (image, category)]
        ignored = [bool(e["iscrowd"]) or not area[0] <= e["area"] <= area[1] for e in objects]
        counted += ignored.count(False)
        here = [e for e in found if (e["image_id"], e["category_id"]) == (image, category)]
        taken = [False] * len(objects)
        for entry in sorted(here, key=lambda e: -e["score"])[:most]:
            match = _match(entry, objects, ignored, taken, iou)
            if match is None:
                if area[0] <= entry["bbox"][2] * entry["bbox"][3] <= area[1]:
                    scored.append((entry["score"], False))
                continue
            taken[match] = True
            if not ignored[match]:
                scored.append((entry["score"], True))
    return [right for _, right in sorted(scored, key=lambda pair: -pair[0])], counted


def _match(entry: Entry, objects: Sequence[Entry], ignored: list[bool], taken: list[bool], iou: float) -> int | None:
    """The free object with the largest overlap that reaches `iou`; counted objects go before ignored ones."""
    for group in (False, True):
        best, chosen = min(iou, 1 - 1e-10), None
        for index, each in enumerate(objects):
            if ignored[index] != group or (taken[index] and not each["iscrowd"]):
                continue
            overlap = _overlap(entry["bbox"], each["bbox"], bool(each["iscrowd"]))
            if overlap >= best:
                best, chosen = overlap, index
        if chosen is not None:
            return chosen
    return None


def _overlap(box: Sequence[float], other: Sequence[float], crowd: bool) -> float:
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner, own = width * height, box[2] * box[3]
    return inner / own if crowd else inner / (own + other[2] * other[3] - inner)


def _precision(right: list[bool], counted: int) -> float | None:
    """Mean over 101 recalls of the best precision at that recall or beyond."""
    if counted == 0:
        return None
    points, hits = [], 0
    for rank, each in enumerate(right, 1):
        hits += each
        points.append((hits / counted, hits / rank))
    sampled = [max((p for recall, p in points if recall >= least), default=0.0) for least in RECALLS]
    return sum(sampled) / 101


def _recall(right: list[bool], counted: int) -> float | None:
    return None if counted == 0 else sum(right) / counted

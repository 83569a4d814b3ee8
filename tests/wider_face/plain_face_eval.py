"""The face-eval protocol in plain loops, as an oracle."""

from __future__ import annotations

from collections.abc import Sequence

Box = list[float]


def overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0]) + 1
    high = min(one[3], other[3]) - max(one[1], other[1]) + 1
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(abs(box[2] - box[0]) + 1) * (abs(box[3] - box[1]) + 1) for box in (one, other)]
    return wide * high / (sum(areas) - wide * high)


def rounds(
    faces: Sequence[list[Box]], flags: Sequence[list[int]], found: Sequence[tuple[int, float, Box]], matchings: int = 5
) -> list[float]:
    """AP of each matching. `faces` and `flags` by image; `found` as image, score, box."""
    ignored = [
        [flag == 1 or box[2] - box[0] < 30 or box[3] - box[1] < 30 for box, flag in zip(boxes, marks, strict=True)]
        for boxes, marks in zip(faces, flags, strict=True)
    ]
    counted = sum(not mark for marks in ignored for mark in marks)
    ordered = [entry for entry in found if entry[2][2] - entry[2][0] > 21 or entry[2][3] - entry[2][1] > 21]
    ordered.sort(key=lambda entry: -entry[1])
    values = []
    for _ in range(matchings):
        taken: set[tuple[int, int]] = set()
        pairs: list[tuple[Box, Box]] = []
        hits = misses = 0
        points = []
        for image, _score, box in ordered:
            best, where = 0.5, -1
            for index, face in enumerate(faces[image]):
                value = overlap(box, face)
                if value > 0.5 and value >= best:
                    best, where = value, index
            if where < 0:
                misses += 1
            elif ignored[image][where]:
                pass
            elif (image, where) in taken:
                misses += 1
            else:
                taken.add((image, where))
                pairs.append((box, faces[image][where]))
                hits += 1
            points.append((hits / counted, hits / (hits + misses) if hits + misses else 0.0))
        values.append(area(points))
        ordered = [(image, score, corrected(box, pairs)) for image, score, box in ordered]
    return values


def area(points: list[tuple[float, float]]) -> float:
    total, before = 0.0, 0.0
    for index, (recall, _) in enumerate(points):
        if recall != before:
            total += (recall - before) * max(precision for _, precision in points[index:])
            before = recall
    return total


def corrected(box: Box, pairs: list[tuple[Box, Box]]) -> Box:
    """The box after the mean shift and scale of the true positives."""
    if not pairs:
        return box
    result = [0.0] * 4
    for axis in (0, 1):
        shifts, scales = [], []
        for found, face in pairs:
            side = found[axis + 2] - found[axis]
            shifts.append(((face[axis] + face[axis + 2]) / 2 - (found[axis] + found[axis + 2]) / 2) / side)
            scales.append((face[axis + 2] - face[axis]) / side)
        side = box[axis + 2] - box[axis]
        centre = (box[axis] + box[axis + 2]) / 2 + sum(shifts) / len(shifts) * side
        half = side * sum(scales) / len(scales) / 2
        result[axis], result[axis + 2] = centre - half, centre + half
    return result

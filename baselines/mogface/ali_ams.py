"""Ali-AMS: faces with few positive anchors on a level get more of them, by their scores (specification 3.5; D4 to D7 of 3.6)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from baselines.mogface.anchors import centres, decode, encode
from baselines.mogface.settings import STRIDES, Defect
from benchmarks.base import RepriseError

LEVELS = 5
"""P2 to P6; P7 is left as it is."""

SIZES_AT_640 = ((160, 160), (80, 80), (40, 40), (20, 20), (10, 10), (5, 5))


class Switches(NamedTuple):
    """D4: a level's candidates begin too early. D5: levels without positives shift the later ranges. D6: faces are told apart by
    their decoded boxes. D7: the ranges are those of 640 x 640.
    """

    slice: Defect = "fixed"
    empty_level: Defect = "fixed"
    group: Defect = "fixed"
    fixed_640: Defect = "fixed"


FIXED = Switches()


class Recruits(NamedTuple):
    """Anchors (K,) that become positive, rising, and the box (K, 4) that each of them learns."""

    anchors: Tensor
    boxes: Tensor


def recruit(
    face_of: Tensor,
    faces: Tensor,
    anchors: Tensor,
    scores: Tensor,
    sizes: Sequence[tuple[int, int]],
    switches: Switches = FIXED,
) -> Recruits:
    """What Ali-AMS adds to the matches of one image.

    face_of (N,) as `match` gives it; faces (F, 4) and anchors (N, 4) with inclusive corners; scores (N,) of the class now, any
    monotone form; sizes: rows and columns of each level. On every level, m is the largest number of positives of a face. A
    face with n of them, 0 < n < m, takes the m - n best scored of the m anchors whose centres are nearest to its own, unless
    they are positive already. Faces take their turns by (x1, y1, x2, y2). Equals: the lower anchor goes first.
    """
    _check_size(sizes, switches.fixed_640)
    owner, groups = _groups(face_of, faces, anchors, switches.group)
    taken = owner >= 0
    starts = [0, *itertools.accumulate(height * width for height, width in sizes)]
    found, owners = [], []
    filled = 0
    for level in range(LEVELS):
        own = owner[starts[level] : starts[level + 1]]
        counts = torch.bincount(own[own >= 0], minlength=len(groups))
        most = int(counts.max()) if len(groups) else 0
        place = filled if switches.empty_level == "released" else level
        filled += most > 0
        wanting = torch.nonzero((counts > 0) & (counts < most))[:, 0]
        if len(wanting):
            centre = centres(groups[wanting].double())
            if switches.slice == "fixed":
                near = starts[place] + nearest_in_grid(centre, STRIDES[place], sizes[place], most)
            else:
                first = _released_start(starts, place)
                near = first + nearest(centre, centres(anchors[first : starts[place + 1]].double()), most)
            anchor, row = _best(near, scores, most - counts[wanting], taken)
            taken[anchor] = True
            found.append(anchor)
            owners.append(wanting[row])
    return _sorted(found, owners, groups, anchors)


def _check_size(sizes: Sequence[tuple[int, int]], fixed_640: Defect) -> None:
    if fixed_640 == "released" and tuple(sizes) != SIZES_AT_640:
        raise RepriseError(
            f"ams_fixed_640 is 'released' and the finest map is {sizes[0][0]} x {sizes[0][1]}: "
            "its ranges are those of 640 x 640; train at that size, or use 'fixed'"
        )


def _released_start(starts: Sequence[int], level: int) -> int:
    """Where the released code lets a level's candidates begin: as if P2 had no anchors (6400, 8000, 8400, 8500 at 640)."""
    return starts[level + 1] - starts[1] if level else 0


def _groups(face_of: Tensor, faces: Tensor, anchors: Tensor, group: Defect) -> tuple[Tensor, Tensor]:
    """The group of each anchor, (N,) or -1, and the groups' boxes (G, 4) in the order of their turns."""
    if group == "released":
        positive = torch.nonzero(face_of >= 0)[:, 0]
        mine = anchors[positive]
        boxes, place = torch.unique(decode(encode(faces[face_of[positive]], mine), mine), dim=0, return_inverse=True)
        return torch.full_like(face_of, -1).index_put_((positive,), place), boxes
    order = torch.arange(len(faces), device=faces.device)
    for column in (3, 2, 1, 0):
        order = order[faces[order, column].argsort(stable=True)]
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(faces), device=faces.device)
    return torch.where(face_of >= 0, _or_none(turn)[face_of.clamp(min=0)], -1), faces[order]


def _or_none(turn: Tensor) -> Tensor:
    """Something to index on pictures without faces."""
    return turn if len(turn) else turn.new_full((1,), -1)


def nearest_in_grid(centre: Tensor, stride: int, size: tuple[int, int], count: int) -> Tensor:
    """The `count` cells (F, count) of a level nearest to each centre (F, 2), the lower cell first of equals.

    They lie within `count` cells of it in each direction: where a side of the map is longer than that, `count` cells of
    the row or column through the centre are nearer than any cell outside.
    """
    x, columns = _window(centre[:, 0], stride, size[1], count)
    y, rows = _window(centre[:, 1], stride, size[0], count)
    distance = x.square()[:, None, :] + y.square()[:, :, None]
    cell = rows[:, :, None] * size[1] + columns[:, None, :]
    order = distance.flatten(1).sort(dim=1, stable=True).indices[:, :count]
    return cell.flatten(1).gather(1, order)


def _window(place: Tensor, stride: int, length: int, count: int) -> tuple[Tensor, Tensor]:
    """Distances and places (F, W) of the cells around each coordinate (F,) of one axis."""
    width = min(length, 2 * count + 1)
    first = ((place / stride).floor().long() - count).clamp(0, length - width)
    cells = first[:, None] + torch.arange(width, device=place.device)
    return place[:, None] - (cells + 0.5) * stride, cells


def nearest(centre: Tensor, candidates: Tensor, count: int) -> Tensor:
    """The `count` of any candidates' centres (N, 2) nearest to each centre (F, 2), as places (F, count)."""
    distance = (centre[:, None] - candidates[None]).square()
    return (distance[..., 0] + distance[..., 1]).sort(dim=1, stable=True).indices[:, :count]


def _best(near: Tensor, scores: Tensor, wanted: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
    """Anchors that become positive and the row of `near` (F, m) that each goes to, the first that chose it.

    wanted (F,): how many of its m candidates each row chooses, the best scored; those already taken are chosen in vain.
    """
    near = near.sort(1).values
    order = scores[near].sort(dim=1, descending=True, stable=True).indices
    chosen = torch.arange(near.shape[1], device=near.device) < wanted[:, None]
    row, rank = torch.nonzero(chosen, as_tuple=True)
    anchor = near.gather(1, order)[row, rank]
    free = ~taken[anchor]
    anchor, row = anchor[free], row[free]
    anchor, where = torch.unique(anchor, return_inverse=True)
    first = row.new_full((len(anchor),), len(near)).scatter_reduce_(0, where, row, "amin")
    return anchor, first


def _sorted(found: list[Tensor], owners: list[Tensor], groups: Tensor, anchors: Tensor) -> Recruits:
    if not found:
        return Recruits(torch.zeros(0, dtype=torch.int64, device=anchors.device), anchors[:0])
    anchor, owner = torch.cat(found), torch.cat(owners)
    order = anchor.argsort()
    return Recruits(anchor[order], groups[owner[order]])

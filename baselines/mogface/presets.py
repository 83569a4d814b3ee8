"""The published models and their parts as presets (specification 3.1), the released code, and a small model of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.base import Json

_R50 = {
    "depth": 50,
    "context": "none",
    "head": "level",
    "first_shot": False,
    "anchor_scale": 1.0,
    "ams": False,
    "hcam": False,
    "sampling": "das",
}

_DEFECTS = {
    "deephead_convs": "released",
    "hcam_test_branch": "released",
    "mst_draw": "released",
    "ams_slice": "released",
    "ams_empty_level": "released",
    "ams_group": "released",
    "ams_fixed_640": "released",
    "hcam_clamp": "released",
    "input_scale": "released",
}

_SMALL = {
    "depth": 18,
    "width": 10,
    "pyramid": 16,
    "init_std": 0.04,
    "crop": 128,
    "sampling": "none",
    "sse_main": "P3",
    "sse_low": 4.0,
    "min_face": 0.0,
}


def _preset(*parts: Mapping[str, Json]) -> Callable[[str], dict[str, Json]]:
    values = {key: value for part in parts for key, value in part.items()}
    return lambda task: dict(values)


PRESETS: Mapping[str, Callable[[str], Mapping[str, Json]]] = {
    "paper": _preset(),
    "released": _preset(_DEFECTS, {"ams": False}),
    "mogface_e": _preset({"depth": 152, "context": "cpm", "sampling": "sse", "multi_size": True, "area_side": 4000}),
    "mogface_e_released": _preset(
        {"depth": 152, "context": "cpm", "sampling": "sse", "multi_size": True, "area_side": 4000, "ams": False},
        _DEFECTS,
        {"r152_stage2": "released"},
    ),
    "baseline": _preset(_R50),
    "ali_ams": _preset(_R50, {"ams": True}),
    "sse": _preset(_R50, {"sampling": "sse", "multi_size": True}),
    "hcam": _preset(_R50, {"hcam": True}),
    "small": _preset(_SMALL),
}
"""By name. `paper`: MogFace R101 of the code's table with its defects fixed and Ali-AMS on (reconstructed: the configuration
names it without using it). `released`: as the code runs. `baseline` to `hcam`: the R50 models, each with its one module.
`small`: for pictures of 128 pixels, with channels reduced throughout."""

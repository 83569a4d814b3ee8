"""What every face detector promises the harness, checked for each one that is registered, here or in a plug-in.

`--write-fingerprints` stores the present numbers; a method whose numbers move must raise its `version` first.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.base import canonical_json, registered_methods, unheard
from benchmarks.detection.data import training_loader
from benchmarks.resolution import as_json, validated
from benchmarks.wider_face.contract import FAMILY, MIRROR, FaceMethod
from benchmarks.wider_face.dataset import FaceDataset
from benchmarks.wider_face.sets import TASKS
from benchmarks.wider_face.synth_faces import SynthFacesSettings, open_synth_faces, synth_faces_artifact
from sweeps.registry import discover

discover()
METHODS: list[type[FaceMethod]] = [
    method for method in registered_methods(FAMILY).values() if issubclass(method, FaceMethod)
]
EVERY = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
FINGERPRINTS = Path(__file__).with_name("face_fingerprints.json")
STEPS, BATCH = 10, 2


def small(method: type[FaceMethod]) -> FaceMethod:
    return method(method.Settings(**method.presets["small"]("")))


def test_the_registry_holds_the_methods_of_the_table() -> None:
    assert {"efficientface", "mogface"} <= {method.name for method in METHODS}


@EVERY
def test_it_declares_what_tables_and_sweeps_need(method: type[FaceMethod]) -> None:
    assert method.label
    assert method.paper
    assert method.version >= 1
    assert method.Settings.__dataclass_params__.frozen
    assert next(iter(method.presets)) == "paper"
    assert small(method).variant.startswith(method.label)


@EVERY
def test_every_preset_resolves_for_every_task_and_survives_json(method: type[FaceMethod]) -> None:
    for task in TASKS:
        for name, preset in method.presets.items():
            resolved = as_json(validated(method.Settings, preset(task), f"{method.name} {name}"))
            assert as_json(validated(method.Settings, json.loads(canonical_json(resolved)), "again")) == resolved
            assert set(resolved) == {field.name for field in dataclasses.fields(method.Settings)}


@EVERY
def test_its_schedule_is_whole_and_scales_no_rate(method: type[FaceMethod]) -> None:
    for preset in method.presets.values():
        made = method(method.Settings(**preset("wider-face")))
        own, other = made.published(12_880, None), made.published(12_880, 7)
        assert own.iterations > 0
        assert other.batch_size == 7
        assert own.optim_wrapper == other.optim_wrapper
        assert all(
            (scheduler["type"] == "ReduceOnPlateauLR") == (own.epoch is not None) for scheduler in own.schedulers
        )
        json.dumps([dict(own.optim_wrapper), [dict(scheduler) for scheduler in own.schedulers]])


@EVERY
def test_every_augmentation_ends_in_the_mirror(method: type[FaceMethod]) -> None:
    for preset in method.presets.values():
        assert method(method.Settings(**preset("wider-face"))).augmentation(0)[-1] == MIRROR


@EVERY
def test_it_stands_where_the_harness_reaches(method: type[FaceMethod]) -> None:
    """The test protocols set its suppression and padding."""
    made = small(method)
    detector: Any = made.build()
    assert 0.0 < detector.nms_iou <= 1.0
    assert made.divisor % detector.data_preprocessor.pad_size_divisor == 0


@EVERY
def test_its_fingerprint_moves_only_with_its_version(
    method: type[FaceMethod], request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # detectors bring outputs to float32, of which mixed precision may make less; here nothing is rounded
    rounded = Tensor.float
    monkeypatch.setattr(Tensor, "float", lambda self: self if self.dtype == torch.float64 else rounded(self))
    metrics = dict(sorted(_trained(method, tmp_path).items()))
    stored = json.loads(FINGERPRINTS.read_text()) if FINGERPRINTS.exists() else {}
    known = stored.get(method.name)
    if request.config.getoption("--write-fingerprints"):
        moved = known is not None and not _close(known["metrics"], metrics)
        assert not (moved and known["version"] == method.version), "the numbers moved: raise the method's version first"
        stored[method.name] = {"version": method.version, "metrics": metrics}
        FINGERPRINTS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        return
    assert known is not None, f"no fingerprint of '{method.name}' is stored; run this file with --write-fingerprints"
    assert known["version"] == method.version, "the version changed: store the new fingerprint"
    assert _close(known["metrics"], metrics), f"the numbers moved to {metrics}: raise the method's version"


def _trained(method: type[FaceMethod], folder: Path) -> dict[str, float]:
    """Every loss of the tenth step of plain gradient descent, and what the detector then says of the last batch."""
    synth_faces_artifact(SynthFacesSettings(train_images=STEPS), "train").build(folder, unheard)
    made = small(method)
    steps = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        *made.augmentation(0),
        {"type": "PackDetInputs", "meta_keys": ("img_id", "ori_shape", "img_shape")},
    ]
    faces = FaceDataset(open_synth_faces(folder, "train"), steps, made.drop_invalid, made.swap_negative)
    torch.manual_seed(0)
    detector: Any = made.build().double().train()
    optimiser = torch.optim.SGD(detector.parameters(), lr=1e-3)
    for batch in training_loader(faces, BATCH, STEPS, seed=0):
        data = detector.data_preprocessor(batch, True)
        losses = detector.loss(data["inputs"], data["data_samples"])
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    detector.eval()
    with torch.no_grad():
        maps = detector(data["inputs"], mode="tensor")
    flat = [value for part in maps for value in (part if isinstance(part, (list, tuple)) else [part])]
    size = torch.cat([value.double().flatten() for value in flat]).abs().mean()
    return {name: value.item() for name, value in losses.items()} | {"output_size": size.item()}


def _close(stored: dict[str, float], now: dict[str, float]) -> bool:
    return stored.keys() == now.keys() and all(
        abs(value - now[name]) <= 1e-6 * max(1e-3, abs(value)) for name, value in stored.items()
    )

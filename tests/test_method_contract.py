"""What every RL method promises, checked for each one that is registered, in this repository or in a plug-in.

`--write-fingerprints` stores the present numbers; a method whose numbers move must raise its `version` first.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.base import registered_benchmarks, stream_seed
from benchmarks.d4rl.method import StackedMethod, stacked_methods
from benchmarks.d4rl.rehearsal import Rehearsal
from sweeps.registry import discover

discover()
METHODS = stacked_methods()
EVERY = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
FINGERPRINTS = Path(__file__).with_name("fingerprints.json")
UNTRAINED = ("behavior_train_steps", "dynamics_epochs")
"""Frozen models train in float32, which differs between processors by more than a fingerprint may; untrained ones do not."""
SMALL: dict[str, Any] = {"batch_size": 16, "rows": 400, "steps": 40}


def smallest(method: type[StackedMethod]) -> tuple[str, dict[str, Any]]:
    """The cheapest preset, with networks of a few units."""
    preset = "small" if "small" in method.presets else next(iter(method.presets))
    fields = {field.name: field for field in dataclasses.fields(method.Settings)}
    narrow = {name: [8, 8] for name in fields if name == "hidden" or name.endswith("_hidden")}
    given = method.presets[preset]("hopper-medium")
    return preset, {**narrow, **({"warm_steps": 3} if given.get("warm_steps") else {})}


def rehearse(
    method: type[StackedMethod], seeds: list[int], dtype: torch.dtype = torch.float64, **more: Any
) -> Rehearsal:
    preset, overrides = smallest(method)
    return Rehearsal(method, preset, seeds, overrides, dtype=dtype, **{**SMALL, **more})


def parameters(rehearsal: Rehearsal) -> list[torch.Tensor]:
    """Every learned tensor, its leading axis a multiple of the stack."""
    found = []
    for value in vars(rehearsal.method).values():
        if isinstance(value, torch.nn.Module):
            found += [parameter.detach() for parameter in value.parameters()]
        elif isinstance(value, torch.nn.Parameter):
            found.append(value.detach())
    return found


def test_the_registry_holds_the_methods_of_the_table() -> None:
    assert {"bc", "td3_bc", "cql", "iql", "mcq", "ilq", "sac"} <= {method.name for method in METHODS}


@EVERY
def test_it_declares_what_tables_and_sweeps_need(method: type[StackedMethod]) -> None:
    assert method.label
    assert method.paper
    assert method.version >= 1
    assert dataclasses.is_dataclass(method.Settings)
    assert method.Settings.__dataclass_params__.frozen
    fields = {field.name: field for field in dataclasses.fields(method.Settings)}
    assert method.stackable <= fields.keys()
    for name in method.stackable:
        value = getattr(method.Settings(), name)
        assert value is None or isinstance(value, (int, float)), f"{name} cannot differ along a stack"


@EVERY
def test_every_preset_resolves(method: type[StackedMethod]) -> None:
    benchmark = registered_benchmarks()[method.family]
    task = next(task for name, task in benchmark.tasks().items() if "hopper" in name and "random" not in name)
    for preset in method.presets:
        settings, training = benchmark.resolve(task, method, preset, {}, "test")
        assert set(settings) == {field.name for field in dataclasses.fields(method.Settings)}
        assert training["train_steps"] > 0


@EVERY
def test_updates_move_the_parameters_and_stay_finite(method: type[StackedMethod]) -> None:
    rehearsal = rehearse(method, [0, 1])
    before = [value.clone() for value in parameters(rehearsal)]
    scalars = rehearsal.run(4, log=True)
    assert scalars
    assert all(value.shape == (2,) and torch.isfinite(value).all() for value in scalars.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, parameters(rehearsal), strict=True))


@EVERY
def test_it_acts_within_bounds_and_without_gradients(method: type[StackedMethod]) -> None:
    rehearsal = rehearse(method, [0, 1], torch.float32)
    rehearsal.run(2)
    actions = rehearsal.method.act(5.0 * torch.randn(2, 7, 11))
    assert actions.shape == (2, 7, 3)
    assert actions.abs().max() <= 1.0
    assert not actions.requires_grad


@EVERY
def test_the_same_seed_gives_bitwise_the_same_numbers(method: type[StackedMethod]) -> None:
    one, two = rehearse(method, [3, 4], torch.float32), rehearse(method, [3, 4], torch.float32)
    for _ in range(20):
        first, second = one.run(1), two.run(1)
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(a, b) for a, b in zip(parameters(one), parameters(two), strict=True))


@EVERY
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_a_slice_of_a_stack_equals_the_run_alone(
    method: type[StackedMethod], dtype: torch.dtype, tolerance: float
) -> None:
    alone, stacked = rehearse(method, [7], dtype), rehearse(method, [1, 7, 2], dtype)
    one, many = alone.run(10), stacked.run(10)
    for name, value in one.items():
        torch.testing.assert_close(many[name][1], value[0], rtol=tolerance, atol=tolerance)
    for a, b in zip(parameters(alone), parameters(stacked), strict=True):
        width = a.shape[0]
        torch.testing.assert_close(b[width : 2 * width], a, rtol=tolerance, atol=tolerance)


@EVERY
def test_settings_that_differ_along_a_stack_stay_with_their_slice(method: type[StackedMethod]) -> None:
    base = {name: getattr(method.Settings(), name) for name in sorted(method.stackable)}
    numbers = {name: value for name, value in base.items() if isinstance(value, (int, float)) and value}
    other = {name: value * 0.9 for name, value in numbers.items()}
    preset, overrides = smallest(method)
    members = [{}, other]
    stacked = Rehearsal(method, preset, [5, 5], overrides, members, dtype=torch.float64, **SMALL)
    many = stacked.run(10)
    for slot, member in enumerate(members):
        alone = Rehearsal(method, preset, [5], overrides, [member], dtype=torch.float64, **SMALL)
        for name, value in alone.run(10).items():
            torch.testing.assert_close(many[name][slot], value[0], rtol=1e-9, atol=1e-9)
    assert any(not torch.equal(value[0], value[1]) for value in many.values())


@EVERY
def test_a_saved_and_restored_method_goes_on_bitwise(method: type[StackedMethod], tmp_path: Path) -> None:
    through, stopped = rehearse(method, [0, 1], torch.float32), rehearse(method, [0, 1], torch.float32)
    through.run(8)
    stopped.run(5)
    torch.save(stopped.method.state_dict(), tmp_path / "state.pt")
    restored = rehearse(method, [0, 1], torch.float32)
    restored.method.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    restored.taken = stopped.taken
    restored.run(3)
    assert restored.method.step == 8
    for a, b in zip(parameters(through), parameters(restored), strict=True):
        assert torch.equal(a, b)


@EVERY
def test_unknown_settings_are_refused_with_the_nearest(method: type[StackedMethod]) -> None:
    name = sorted(method.stackable)[0]
    with pytest.raises(Exception, match=f"did you mean '{name}'"):
        Rehearsal(method, None, [0], {f"{name}x": 1}, **SMALL)


@EVERY
def test_its_fingerprint_moves_only_with_its_version(
    method: type[StackedMethod], request: pytest.FixtureRequest
) -> None:
    preset, overrides = smallest(method)
    fields = {field.name for field in dataclasses.fields(method.Settings)}
    untrained = {name: 0 for name in UNTRAINED if name in fields}
    seeds = [stream_seed("fingerprint", method.name, 0) % 1000]
    rehearsal = Rehearsal(method, preset, seeds, {**overrides, **untrained}, dtype=torch.float64, **SMALL)
    scalars = rehearsal.run(10, log=True)
    metrics = {name: float(value[0]) for name, value in sorted(scalars.items())}
    stored = json.loads(FINGERPRINTS.read_text()) if FINGERPRINTS.exists() else {}
    if request.config.getoption("--write-fingerprints"):
        known = stored.get(method.name)
        moved = known is not None and not _close(known["metrics"], metrics)
        assert not (moved and known["version"] == method.version), "the numbers moved: raise the method's version first"
        stored[method.name] = {"version": method.version, "metrics": metrics}
        FINGERPRINTS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        return
    if method.name not in stored:
        pytest.fail(f"no fingerprint of '{method.name}' is stored; run this file with --write-fingerprints")
    assert stored[method.name]["version"] == method.version, "the version changed: store the new fingerprint"
    assert _close(stored[method.name]["metrics"], metrics), "the numbers moved: raise the method's version"


def _close(stored: dict[str, float], now: dict[str, float]) -> bool:
    return stored.keys() == now.keys() and all(
        abs(value - now[name]) <= 1e-6 * max(1.0, abs(value)) for name, value in stored.items()
    )

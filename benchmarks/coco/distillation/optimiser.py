"""The optimiser of a distilled student: the student's groups as its own configuration makes them, the losses' beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from benchmarks.coco.distillation.wrapper import Distiller

STUDENTS = "student_constructor"
DEFAULT = "DefaultOptimWrapperConstructor"


def distilling(optim_wrapper: Mapping[str, Any]) -> dict[str, Any]:
    """A student's `optim_wrapper` configuration, turned into that of its distiller."""
    given = dict(optim_wrapper)
    return {
        **given,
        "constructor": DistillerOptimWrapperConstructor.__name__,
        STUDENTS: given.get("constructor", DEFAULT),
    }


def undecayed_parameters(distiller: Distiller) -> list[str]:
    """Names of the losses' parameters that are not decayed (`LevelLoss.undecayed`)."""
    ids = {id(parameter) for level in distiller.levels for parameter in level.undecayed()}
    return [name for name, parameter in distiller.named_parameters() if id(parameter) in ids]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DistillerOptimWrapperConstructor:
    """Builds the plain student's optimiser, then adds the losses' parameters at the base learning rate and weight decay.

    The student's rules per parameter (FCOS: biases at twice the rate, undecayed) do not reach the losses (specification, 7.2
    item 11). Without parameters in the losses the optimiser is the plain student's, its state included.
    """

    def __init__(self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: Mapping[str, Any] | None = None) -> None:
        self.optim_wrapper_cfg, self.paramwise_cfg = dict(optim_wrapper_cfg), paramwise_cfg

    def __call__(self, model: nn.Module) -> OptimWrapper:
        distiller: Any = getattr(model, "module", model)
        given = dict(self.optim_wrapper_cfg)
        given["constructor"] = given.pop(STUDENTS, DEFAULT)
        wrapper = build_optim_wrapper(distiller.student, {**given, "paramwise_cfg": self.paramwise_cfg})
        names = set(undecayed_parameters(distiller))
        losses = [(name, p) for name, p in distiller.named_parameters() if name.startswith("losses.")]
        decayed = [p for name, p in losses if name not in names]
        undecayed = [p for name, p in losses if name in names]
        if decayed:
            wrapper.optimizer.add_param_group({"params": decayed})
        if undecayed:
            wrapper.optimizer.add_param_group({"params": undecayed, "weight_decay": 0.0})
        return wrapper

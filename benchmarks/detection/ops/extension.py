"""`mmcv._ext` from the operators of this folder, for mmcv without its compiled part (mmcv-lite)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any, Literal

from benchmarks.base import RepriseError
from benchmarks.detection.ops import deform_attn, deform_conv, focal_loss, nms, roi_align

NAME = "mmcv._ext"

OPERATORS: dict[str, Callable[..., Any]] = {
    operator.__name__: operator
    for operator in (
        nms.nms,
        nms.softnms,
        nms.nms_match,
        roi_align.roi_align_forward,
        roi_align.roi_align_backward,
        focal_loss.sigmoid_focal_loss_forward,
        focal_loss.sigmoid_focal_loss_backward,
        focal_loss.softmax_focal_loss_forward,
        focal_loss.softmax_focal_loss_backward,
        deform_conv.deform_conv_forward,
        deform_conv.deform_conv_backward_input,
        deform_conv.deform_conv_backward_parameters,
        deform_conv.modulated_deform_conv_forward,
        deform_conv.modulated_deform_conv_backward,
        deform_attn.ms_deform_attn_forward,
        deform_attn.ms_deform_attn_backward,
    )
}
"""What is provided, by the name mmcv asks for."""


class Extension(types.ModuleType):
    """The module object. mmcv looks up every operator when it is imported, so a missing one must fail only when called."""

    def __init__(self) -> None:
        super().__init__(NAME, "mmcv's operators in plain PyTorch.")
        self.__spec__ = ModuleSpec(NAME, None, origin="plain PyTorch")
        self.__dict__.update(OPERATORS)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise RepriseError(
                f"mmcv op '{name}' has no pure-PyTorch version; choose a model without it, or install compiled mmcv 2.1.0"
            )

        return missing

    @staticmethod
    def get_compiler_version() -> str:
        """For mmengine's report of the environment."""
        return "none (operators in plain PyTorch)"

    @staticmethod
    def get_compiling_cuda_version() -> str:
        """For mmengine's report of the environment."""
        return "none (operators in plain PyTorch)"


def install_ops() -> Literal["compiled", "torch"]:
    """Give mmcv its operators, once per process, before anything imports `mmcv.ops` or `mmdet.models`. Returns whose they are.

    A compiled `mmcv._ext` is left alone. Raises RepriseError where mmcv is not installed, and where `mmcv.ops` is already there
    without operators.
    """
    present = sys.modules.get(NAME)
    if present is not None:
        return "torch" if isinstance(present, Extension) else "compiled"
    late = [name for name in sys.modules if name == "mmcv.ops" or name.startswith(("mmcv.ops.", "mmdet.models"))]
    if late:
        raise RepriseError(
            f"install_ops() came too late: {late[0]} is already imported without mmcv._ext; call it before importing mmdet"
        )
    if importlib.util.find_spec("mmcv") is None:
        raise RepriseError("detection needs mmcv: install mmengine 0.10.7, mmcv-lite 2.1.0 and mmdet 3.3.0")
    if importlib.util.find_spec(NAME) is not None:
        return "compiled"
    extension = Extension()
    sys.modules[NAME] = extension
    importlib.import_module("mmcv")._ext = extension  # type: ignore[attr-defined]
    return "torch"

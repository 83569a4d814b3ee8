"""mmcv gets its operators before any test of this folder imports it."""

from __future__ import annotations

from benchmarks.detection import install_ops

install_ops()

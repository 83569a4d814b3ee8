"""The bridge to mmdet 3.3.0, mmcv and mmengine: operators, configurations, complexity.

Nothing outside this folder imports the three libraries without importing from here first; `install_ops` comes before mmdet in
every process.
"""

from benchmarks.detection.ops.extension import install_ops

__all__ = ["install_ops"]

"""What a detector costs, without data: parameters, multiply-accumulates at 640 x 640, and the time of a picture here."""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.base import Json, Run, RunResult, stream_seed
from benchmarks.detection.complexity import TOOL, measure
from benchmarks.detection.precision import placed
from benchmarks.wider_face.contract import FaceMethod

SIDE = 640
"""Pixels of the square that cost is counted at (face methods, preamble)."""

ROUNDS = 3
"""Timed forward passes after one that is not; the median counts."""

CPU_INFO = Path("/proc/cpuinfo")


def machine() -> str:
    """What computes here: the GPU's name, else the processor's."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cost_run(run: Run, method: FaceMethod, cpus: int) -> RunResult:
    """Build a detector with fresh weights and measure it. Latency: a forward pass of one picture, without suppression."""
    torch.manual_seed(stream_seed("init", run.task, run.seed))
    detector = placed(method.build()).eval()
    cost = measure(detector, (3, SIDE, SIDE))
    seconds = latency(detector)
    figures = {
        "parameters": float(cost.parameters.all),
        "gmacs_640": cost.product_macs / 1e9,
        "latency_ms": 1000.0 * statistics.median(seconds),
    }
    extra: dict[str, Json] = {
        "macs": cost.product_macs,
        "seconds": seconds,
        "threads": cpus,
        "tool": TOOL,
        "variant": method.variant,
    }
    return RunResult(run, "finished", [], {name: {"last": value} for name, value in figures.items()}, extra=extra)


@torch.no_grad()
def latency(detector: Any, rounds: int = ROUNDS) -> list[float]:
    """Seconds of `rounds` forward passes of one picture of 640 x 640, after one that warms up."""
    device = next(nn.Module.parameters(detector)).device
    picture = torch.zeros(1, 3, SIDE, SIDE, device=device)
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        detector(picture, mode="tensor")
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]

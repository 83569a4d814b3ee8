"""How long and with what a run trains: its method's own schedule, or the short one of the suite."""

from __future__ import annotations

from benchmarks.detection.recipe import one_cycle
from benchmarks.wider_face.contract import FaceMethod, Schedule
from benchmarks.wider_face.settings import TrainingSettings

SHORT_BATCH, SHORT_DECAY = 8, 0.01


def schedule_of(method: FaceMethod, training: TrainingSettings, pictures: int) -> Schedule:
    """The schedule for so many training pictures; the method's own is cut where the run says so."""
    t = training
    if t.schedule == "published":
        whole = method.published(pictures, t.batch_size)
        return whole._replace(iterations=min(whole.iterations, t.iterations or whole.iterations))
    assert t.iterations is not None
    optimiser = {"type": "AdamW", "lr": t.short_rate, "weight_decay": SHORT_DECAY}
    wrapper = {"type": "OptimWrapper", "optimizer": optimiser, "clip_grad": {"max_norm": t.short_clip}}
    return Schedule(t.iterations, t.batch_size or SHORT_BATCH, wrapper, [one_cycle(t.short_rate, t.iterations)])

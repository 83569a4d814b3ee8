"""Ray schedulers and searchers as a sweep's YAML asks for them. Imported only where Ray runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.base import Metric, RunResult
from sweeps.matrix import SearchPlan
from sweeps.schema import Asha
from sweeps.search import Space
from sweeps.trial import last_scores


def direction(metric: Metric) -> str:
    """Tune's name for the better end of a metric."""
    return "max" if metric.higher_is_better else "min"


class AshaByGroup(FIFOScheduler):
    """ASHA among trials of the same group (task and method): scores of different tasks are not to be compared."""

    def __init__(self, settings: Asha, mode: str) -> None:
        super().__init__()
        self.settings, self.mode = settings, mode
        self.groups: dict[str, ASHAScheduler] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        return True

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._group(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if result.get("percent", 0) >= 100:  # nothing is left to save
            return FIFOScheduler.CONTINUE
        return str(self._group(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._group(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._group(trial).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._group(trial).on_trial_remove(tune_controller, trial)

    def _group(self, trial: Any) -> ASHAScheduler:
        name = trial.config["pick"].get("group", "")  # artifacts have none, and report no score
        if name not in self.groups:
            self.groups[name] = ASHAScheduler(
                time_attr="percent",
                metric="score",
                mode=self.mode,
                max_t=100,
                grace_period=self.settings.grace_period,
                reduction_factor=self.settings.reduction_factor,
                brackets=self.settings.brackets,
                stop_last_trials=False,
            )
        return self.groups[name]


def optuna_search(plan: SearchPlan, mode: str, evaluated: Sequence[tuple[dict[str, Any], float]]) -> OptunaSearch:
    """Optuna's TPE over a search's space, told what earlier launches of the same search found."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searcher = OptunaSearch(
        space={f"values/{name}": item for name, item in distributions(plan.space).items()},
        metric="score",
        mode=mode,
        seed=plan.seed + len(evaluated),
    )
    for values, score in evaluated:
        searcher.add_evaluated_point({f"values/{name}": value for name, value in values.items()}, score)
    return searcher


def distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """Optuna's form of a search space."""
    found: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, domain in space.items():
        ((form, arguments),) = domain.items()
        if form == "choice":
            found[name] = optuna.distributions.CategoricalDistribution(arguments)
        elif form == "randint":
            found[name] = optuna.distributions.IntDistribution(arguments[0], arguments[1] - 1)
        else:
            found[name] = optuna.distributions.FloatDistribution(*arguments, log=form == "loguniform")
    return found


def sample_of(results: Sequence[RunResult], plan: SearchPlan) -> tuple[dict[str, Any], float] | None:
    """The values of a sample that ended and its score (mean over the stack), or None where it has no score."""
    run = results[0].run
    scores = last_scores(results) or [result.curve[-1].value for result in results if result.curve]
    values = {name: {**run.settings, **run.training}[name] for name in plan.space}
    return (values, sum(scores) / len(scores)) if scores else None

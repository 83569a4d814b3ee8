"""The dynamics ensemble: what it predicts, how rows are dealt to elites, what uncertainty means, how it is trained."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from benchmarks.base import RepriseError
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.method import Source
from benchmarks.d4rl.models import dynamics_training
from benchmarks.d4rl.models.dynamics import Dynamics, soft_clamp
from benchmarks.d4rl.models.dynamics_training import (
    DynamicsSettings,
    decay_coefficients,
    dynamics_model,
    targets,
    train_dynamics,
)

OBSERVATION, ACTION = 3, 2
WIDTH = 1 + OBSERVATION


def random_dynamics(seed: int = 0, networks: int = 4, elites: tuple[int, ...] = (2, 0, 3)) -> Dynamics:
    g = torch.Generator().manual_seed(seed)
    sizes = [OBSERVATION + ACTION, 8, 8, 2 * WIDTH]

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64) * 0.4

    return Dynamics(
        weights=[normal(networks, a, b) for a, b in itertools.pairwise(sizes)],
        biases=[normal(networks, 1, b) for b in sizes[1:]],
        input_mean=normal(OBSERVATION + ACTION),
        input_std=1.0 + normal(OBSERVATION + ACTION).abs(),
        target_mean=normal(WIDTH),
        target_std=1.0 + normal(WIDTH).abs(),
        min_log_var=torch.full((WIDTH,), -10.0, dtype=torch.float64),
        max_log_var=torch.full((WIDTH,), 0.5, dtype=torch.float64),
        elites=torch.tensor(elites),
    )


def plain_prediction(
    model: Dynamics, network: int, s: torch.Tensor, a: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and std of (r, s' - s) of one network for one row, layer by layer."""
    x = (torch.cat([s, a]) - model.input_mean) / model.input_std
    for layer, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
        x = weight[network].t() @ x + bias[network, 0]
        if layer < len(model.weights) - 1:
            x = x * torch.sigmoid(x)
    mean, lv = x[:WIDTH], x[WIDTH:]
    lv = 0.5 - torch.log1p(torch.exp(0.5 - lv))
    lv = -10.0 + torch.log1p(torch.exp(lv + 10.0))
    return mean * model.target_std + model.target_mean, torch.exp(0.5 * lv) * model.target_std


def rows(runs: int, count: int, seed: int = 1) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    shapes = [(OBSERVATION,), (ACTION,), (WIDTH,)]
    return tuple(torch.randn(runs, count, *shape, generator=g, dtype=torch.float64) for shape in shapes)


@pytest.mark.parametrize(
    ("value", "clamped"),
    [(-1000.0, -10.0), (-10.0, -9.306867), (-5.0, -4.997336), (0.5, -0.193092), (1000.0, 0.500028)],
)
def test_soft_clamp_gives_the_values_of_the_specification(value, clamped):
    low, high = torch.tensor(-10.0, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    assert float(soft_clamp(torch.tensor(value, dtype=torch.float64), low, high)) == pytest.approx(clamped, abs=1e-6)


# -- asking ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [None, "max_std", "disagreement"])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 256])
def test_each_row_samples_the_gaussian_of_its_elite(count, penalty):
    model, (s, a, noise) = random_dynamics(), rows(2, count)
    shift = torch.tensor([1, 2])
    step = model.imagine(s, a, shift, noise, penalty=penalty)
    for run in range(2):
        for row in range(0, count, 5):
            elite = int(model.elites[(row + int(shift[run])) % 3])
            mean, std = plain_prediction(model, elite, s[run, row], a[run, row])
            y = mean + std * noise[run, row]
            assert float(step.rewards[run, row]) == pytest.approx(float(y[0]), abs=1e-12)
            torch.testing.assert_close(step.next_states[run, row], s[run, row] + y[1:], atol=1e-12, rtol=0)


def test_every_elite_is_equally_likely_for_every_row():
    """Over the shifts 0..E-1, which are drawn uniformly, each row asks each elite exactly once."""
    model, (s, a, noise) = random_dynamics(), rows(3, 7)
    rewards = model.imagine(s[:1].expand(3, -1, -1), a[:1].expand(3, -1, -1), torch.arange(3), 0 * noise).rewards
    for row in range(7):
        expected = sorted(float(plain_prediction(model, int(e), s[0, row], a[0, row])[0][0]) for e in model.elites)
        assert sorted(rewards[:, row].tolist()) == pytest.approx(expected, abs=1e-12)


def test_networks_that_are_no_elites_are_never_asked_for_a_step():
    model, (s, a, noise) = random_dynamics(), rows(2, 9)
    before = model.imagine(s, a, torch.tensor([0, 1]), noise)
    model.biases[-1][1] += 5.0
    again = Dynamics(**model.state()).imagine(s, a, torch.tensor([0, 1]), noise)
    assert torch.equal(before.rewards, again.rewards)


def test_mean_sampling_averages_the_elites_and_ignores_noise():
    model, (s, a, noise) = random_dynamics(), rows(2, 5)
    step = model.imagine(s, a, torch.tensor([0, 1]), noise, sample="mean")
    means = torch.stack([plain_prediction(model, int(e), s[1, 3], a[1, 3])[0] for e in model.elites]).mean(0)
    torch.testing.assert_close(step.next_states[1, 3], s[1, 3] + means[1:], atol=1e-12, rtol=0)
    assert float(step.rewards[1, 3]) == pytest.approx(float(means[0]), abs=1e-12)


def test_max_std_is_the_largest_norm_over_all_networks_not_only_elites():
    model, (s, a, noise) = random_dynamics(), rows(1, 40)
    u = model.imagine(s, a, torch.zeros(1, dtype=torch.int64), noise, penalty="max_std").uncertainty
    outside = 0
    for row in range(40):
        norms = [float(plain_prediction(model, n, s[0, row], a[0, row])[1].norm()) for n in range(4)]
        assert float(u[0, row]) == pytest.approx(max(norms), abs=1e-12)
        outside += norms.index(max(norms)) == 1
    assert outside > 0


def test_disagreement_is_the_largest_distance_from_the_ensemble_mean():
    model, (s, a, noise) = random_dynamics(), rows(1, 4)
    u = model.imagine(s, a, torch.zeros(1, dtype=torch.int64), noise, penalty="disagreement").uncertainty
    means = torch.stack([plain_prediction(model, n, s[0, 2], a[0, 2])[0] for n in range(4)])
    assert float(u[0, 2]) == pytest.approx(max(float((m - means.mean(0)).norm()) for m in means), abs=1e-12)


def test_a_run_imagines_the_same_alone_and_in_a_stack():
    model, (s, a, noise) = random_dynamics(), rows(3, 11)
    shift = torch.tensor([2, 0, 1])
    together = model.imagine(s, a, shift, noise)
    for run in range(3):
        part = slice(run, run + 1)
        alone = model.imagine(s[part], a[part], shift[part], noise[part])
        torch.testing.assert_close(alone.next_states[0], together.next_states[run], atol=1e-12, rtol=0)


# -- training ----------------------------------------------------------------------------------------------------------


def linear_data(count: int = 3_000, noise: float = 0.01, seed: int = 0) -> Transitions:
    """s' - s and r linear in (s, a), with Gaussian noise of known size; every tenth row ends an episode."""
    g = torch.Generator().manual_seed(seed)
    s, a = torch.randn(count, OBSERVATION, generator=g), torch.rand(count, ACTION, generator=g) * 2 - 1
    matrix = torch.randn(OBSERVATION + ACTION, WIDTH, generator=g) * 0.3
    y = torch.cat([s, a], 1) @ matrix + noise * torch.randn(count, WIDTH, generator=g)
    ends = (torch.arange(count) % 10 == 9).float()
    return Transitions("toy", "hash", s, a, y[:, 0].clone(), s + y[:, 1:], ends, torch.zeros(count))


FAST = DynamicsSettings(hidden=(32, 32), ensemble=3, elites=2, epochs=6)


@pytest.mark.parametrize("standardize", [False, True])
def test_an_ensemble_learns_linear_dynamics(standardize):
    data = linear_data()
    settings = DynamicsSettings(hidden=(32, 32), ensemble=3, elites=2, epochs=20, standardize_targets=standardize)
    model, metrics = train_dynamics(data, settings)
    mean, std = model.predict(data.observations[:500], data.actions[:500])
    truth = torch.cat([data.rewards[:, None], data.next_observations - data.observations], 1)[:500]
    assert float((mean - truth).square().mean()) < 0.01 * float(truth.var())
    assert min(metrics["hold_out_r2_of_elites"]) > 0.98
    assert 0.005 < float(std.mean()) < 0.1


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(5, [2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4]), (3, [2.5e-5, 5e-5, 1e-4]), (2, [2.5e-5, 1e-4])],
)
def test_weight_decay_per_layer(layers, expected):
    assert decay_coefficients(layers) == expected


def test_the_loss_is_the_specified_sum_over_networks():
    training = dynamics_training._Training(linear_data(300), FAST)
    training.max_log_var.data[1] = 0.1
    batch = training.table[torch.arange(30).view(3, 10)]
    total = 0.0
    for network in range(3):
        x = batch[network][:, : OBSERVATION + ACTION]
        for layer, (w, b) in enumerate(zip(training.net.weights, training.net.biases, strict=True)):
            x = x @ w[network] + b[network]
            x = nn.functional.silu(x) if layer < 2 else x
        mean, lv = x[:, :WIDTH], x[:, WIDTH:]
        lv = training.max_log_var - nn.functional.softplus(training.max_log_var - lv)
        lv = training.min_log_var + nn.functional.softplus(lv - training.min_log_var)
        y = batch[network][:, OBSERVATION + ACTION :]
        total += float((((mean - y) ** 2 * torch.exp(-lv)).mean() + lv.mean()).detach())
        for c, w in zip([2.5e-5, 5e-5, 1e-4], training.net.weights, strict=True):
            total += float(0.5 * c * (w[network] ** 2).sum())
    total += 0.01 * float(training.max_log_var.sum() - training.min_log_var.sum())
    assert float(training.loss(batch)) == pytest.approx(total, rel=1e-5)


def test_weights_start_from_a_truncated_normal_and_biases_at_zero():
    training = dynamics_training._Training(linear_data(300), DynamicsSettings(ensemble=7))
    for weight, bias in zip(training.net.weights, training.net.biases, strict=True):
        std = 1.0 / (2.0 * math.sqrt(weight.shape[1]))
        assert float(weight.abs().max()) <= 2.0 * std
        # A normal truncated at two standard deviations has 0.88 of its standard deviation.
        assert float(weight.std()) == pytest.approx(0.88 * std, rel=0.05)
        assert not bias.any()
    assert not torch.equal(training.net.weights[0][0], training.net.weights[0][1])


@pytest.mark.parametrize(
    ("count", "ratio", "held", "rest"), [(300, 1.0, 60, 240), (10_000, 1.0, 1_000, 9_000), (300, 0.5, 30, 120)]
)
def test_hold_out_and_data_ratio(count, ratio, held, rest):
    training = dynamics_training._Training(linear_data(count), DynamicsSettings(hidden=(8,), data_ratio=ratio))
    assert (len(training.hold), len(training.table)) == (held, rest)
    assert training.rows.shape == (7, rest)


def test_inputs_are_standardised_with_the_training_split_and_constant_inputs_survive():
    data = linear_data(300)
    data.observations[:, 1] = 4.0
    training = dynamics_training._Training(data, FAST)
    x = training.table[:, : OBSERVATION + ACTION]
    torch.testing.assert_close(x.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]), atol=1e-5, rtol=0)
    assert float(training.input_std[1]) == 1.0


def test_every_network_has_a_bootstrap_resample_of_its_own_that_epochs_only_reorder(monkeypatch):
    training = dynamics_training._Training(linear_data(300), FAST)
    drawn = training.rows
    assert not torch.equal(drawn[0], drawn[1])
    assert len(drawn[0].unique()) < 0.75 * drawn.shape[1]
    seen: list[torch.Tensor] = []
    loss = training.loss
    monkeypatch.setattr(training, "loss", lambda rows: (seen.append(rows), loss(rows))[1])
    training.epoch(0)
    assert [len(batch[0]) for batch in seen] == [240]
    first = training.table[drawn[2]][:, 0].sort().values
    torch.testing.assert_close(torch.cat([batch[2][:, 0] for batch in seen]).sort().values, first)


def test_the_last_short_batch_is_used(monkeypatch):
    training = dynamics_training._Training(linear_data(300), DynamicsSettings(hidden=(8,), batch_size=100))
    sizes: list[int] = []
    loss = training.loss
    monkeypatch.setattr(training, "loss", lambda rows: (sizes.append(rows.shape[1]), loss(rows))[1])
    training.epoch(0)
    assert sizes == [100, 100, 40]


def test_restored_weights_are_those_of_the_last_gain_above_one_per_cent(monkeypatch):
    training = dynamics_training._Training(linear_data(300), FAST)
    errors = iter(torch.tensor([[1.0, 1.0, 1.0], [0.995, 0.9, 2.0], [0.98, 0.895, 0.5]]))
    monkeypatch.setattr(training, "hold_out_error", lambda: next(errors))
    after = []
    for epoch in range(3):
        training.epoch(epoch)
        after.append([w.detach().clone() for w in training.net.weights])
    final = torch.tensor([0.98, 0.9, 0.5])
    assert torch.equal(training.best_error, final)
    monkeypatch.setattr(training, "hold_out_error", lambda: final)
    model, metrics = training.finish()
    for network, epoch in enumerate([2, 1, 2]):
        assert torch.equal(model.weights[0][network], after[epoch][0][network])
    assert metrics["elites"] == [2, 1]


def test_elites_have_the_lowest_hold_out_error():
    model, metrics = train_dynamics(linear_data(), DynamicsSettings(hidden=(8,), ensemble=5, elites=3, epochs=2))
    errors = metrics["hold_out_mse"]
    assert [errors[e] for e in model.elites] == sorted(errors)[:3]


def test_shifted_next_observations_reproduce_the_loader_defect():
    data = linear_data(25)
    true, shifted = targets(data, "true_next"), targets(data, "shifted")
    ends = data.terminals.bool()
    assert torch.equal(true[~ends], shifted[~ends])
    torch.testing.assert_close(shifted[9, 1:], data.observations[10] - data.observations[9])
    torch.testing.assert_close(shifted[19, 1:], data.observations[20] - data.observations[19])
    assert not data.next_observations[9].equal(data.observations[10])


SWITCHES = {
    "hidden": (16,),
    "ensemble": 4,
    "elites": 1,
    "epochs": 2,
    "lr": 1e-4,
    "batch_size": 64,
    "data_ratio": 0.5,
    "restore_best": False,
    "next_obs": "shifted",
    "standardize_targets": True,
    "lr_schedule": "cosine",
}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_the_model(name):
    base = {"hidden": (32,), "ensemble": 3, "elites": 2, "epochs": 12, "lr": 0.05}
    data = linear_data(300, noise=1.0)
    models = [train_dynamics(data, DynamicsSettings(**base | change))[0] for change in ({}, {name: SWITCHES[name]})]
    s, a, noise = (t.float() for t in rows(1, 6))
    steps = [model.imagine(s, a, torch.zeros(1, dtype=torch.int64), noise).rewards for model in models]
    assert not torch.equal(*steps)


def test_every_training_setting_has_a_switch_test():
    assert set(SWITCHES) == set(DynamicsSettings.__dataclass_fields__)


@pytest.mark.parametrize("wrong", [{"elites": 8}, {"elites": 0}, {"data_ratio": 0.0}, {"data_ratio": 1.5}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(RepriseError, match=next(iter(wrong))):
        DynamicsSettings(**wrong)


def test_an_artifact_is_built_once_read_back_and_named_by_data_and_settings():
    opened: list[int] = []

    def source(digest: str) -> Source:
        return Source("toy", "toy", digest, lambda: (opened.append(1), linear_data(300))[1])

    model = dynamics_model(FAST, source("a"))
    folder = model.artifact.ensure()
    dynamics_model(FAST, source("a")).artifact.ensure()
    assert len(opened) == 1
    expected, _ = train_dynamics(linear_data(300), FAST)
    loaded = model.load(folder)
    assert all(torch.equal(x, y) for x, y in zip(loaded.weights, expected.weights, strict=True))
    assert (folder / "metrics.json").exists()
    keys = {
        dynamics_model(FAST, source("b")).artifact.key,
        dynamics_model(DynamicsSettings(), source("a")).artifact.key,
    }
    assert model.artifact.key not in keys


def test_a_model_does_not_depend_on_the_precision_of_its_caller():
    data = linear_data(300)
    expected, _ = train_dynamics(data, FAST)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        again, _ = train_dynamics(data, FAST)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(expected.weights[0], again.weights[0])

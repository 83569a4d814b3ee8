"""The diffusion model of the data's actions, and the actions drawn from it once per stored state."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from benchmarks.base import RepriseError
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.method import Source
from benchmarks.d4rl.models import behavior_training, limit_actions
from benchmarks.d4rl.models.behavior import Behavior, denoise, step_embedding, vp_schedule
from benchmarks.d4rl.models.behavior_training import BehaviorSettings, behavior_model, train_behavior
from benchmarks.d4rl.models.limit_actions import LimitActionsSettings, check_count, choose, draw_actions
from benchmarks.d4rl.models.mish import mish

OBSERVATION, ACTION = 3, 2
FAST = BehaviorSettings(hidden=(32, 32), steps=50, lr=1e-3, batch_size=64)


def data(count: int = 2_000, seed: int = 0) -> Transitions:
    """Actions with mean 0.5 tanh(s_0) and standard deviation 0.1 in the first, 0.3 in the second dimension."""
    g = torch.Generator().manual_seed(seed)
    s = torch.randn(count, OBSERVATION, generator=g)
    a = 0.5 * torch.tanh(s[:, :1]) + torch.tensor([0.1, 0.3]) * torch.randn(count, ACTION, generator=g)
    zeros = torch.zeros(count)
    return Transitions("toy", "hash", s, a.clamp(-1, 1), zeros, s + 1.0, zeros, zeros)


def test_the_schedule_has_the_values_of_the_specification():
    beta, abar = vp_schedule(5)
    assert beta.tolist() == pytest.approx([0.195875, 0.458818, 0.635781, 0.754878, 0.835031], abs=1e-6)
    assert abar.tolist() == pytest.approx([0.804125, 0.435178, 0.158500, 0.038852, 0.006409], abs=1e-6)


@pytest.mark.parametrize(
    ("variance", "sampled"),
    [("posterior", (0.01959, 0.10508, 0.29540, 0.67543)), ("beta", (0.03152, 0.16637, 0.44348, 0.89673))],
)
def test_the_sampler_is_narrower_than_the_data_even_with_the_best_linear_denoiser(variance, sampled):
    """The sample is linear in the noise, so unit vectors as noise give its coefficients and their norm its std."""
    abar = vp_schedule(5)[1].tolist()
    for sigma, expected in zip((0.1, 0.25, 0.5, 1.0), sampled, strict=True):

        def best(a: torch.Tensor, k: int, sigma: float = sigma) -> torch.Tensor:
            signal, noise = abar[k - 1], 1.0 - abar[k - 1]
            return math.sqrt(noise) / (signal * sigma**2 + noise) * a

        coefficients = denoise(best, torch.eye(5, dtype=torch.float64), variance, clip=False)
        assert float(coefficients.norm()) == pytest.approx(expected, abs=1e-5)


def test_the_step_embedding_counts_from_zero_sines_before_cosines():
    embedding = step_embedding(5)
    assert embedding.shape == (5, 16)
    assert embedding[0].tolist() == [0.0] * 8 + [1.0] * 8
    for k, j in ((1, 0), (3, 2), (4, 7)):
        angle = k * math.exp(-math.log(10_000) * j / 7)
        assert float(embedding[k, j]) == pytest.approx(math.sin(angle), abs=1e-6)
        assert float(embedding[k, 8 + j]) == pytest.approx(math.cos(angle), abs=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_mish_and_its_slope_are_those_of_pytorch(dtype, tolerance):
    x = torch.cat([torch.linspace(-90, 90, 3_001), torch.tensor([0.0, 1e4, -1e4])]).to(dtype).requires_grad_()
    ours, theirs = mish(x), nn.functional.mish(x)
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)
    (mine,), (reference,) = (torch.autograd.grad(y.sum(), x) for y in (ours, theirs))
    torch.testing.assert_close(mine, reference, atol=tolerance, rtol=tolerance)


def random_behavior(seed: int = 0, steps: int = 5) -> Behavior:
    g = torch.Generator().manual_seed(seed)
    sizes = [ACTION + 16 + OBSERVATION, 8, 8, ACTION]

    def normal(*shape: int) -> torch.Tensor:
        return 0.4 * torch.randn(*shape, generator=g, dtype=torch.float64)

    return Behavior(
        weights=[normal(a, b) for a, b in itertools.pairwise(sizes)],
        biases=[normal(b) for b in sizes[1:]],
        embedding=normal(steps, 16),
        state_mean=normal(OBSERVATION),
        state_std=1.0 + normal(OBSERVATION).abs(),
    )


@pytest.mark.parametrize("variance", ["posterior", "beta"])
@pytest.mark.parametrize("steps", [1, 5])
def test_sampling_follows_the_reverse_process_row_by_row(variance, steps):
    model, g = random_behavior(steps=steps), torch.Generator().manual_seed(1)
    states = torch.randn(4, OBSERVATION, generator=g, dtype=torch.float64)
    noise = torch.randn(steps, 3, 4, ACTION, generator=g, dtype=torch.float64)
    drawn = model.sample(states, noise, variance)
    beta, abar = vp_schedule(steps)
    a = noise[0, 2, 1]
    for k in range(steps, 0, -1):
        x = torch.cat([a, model.embedding[k - 1], (states[1] - model.state_mean) / model.state_std])
        for layer in range(3):
            x = x @ model.weights[layer] + model.biases[layer]
            x = nn.functional.mish(x) if layer < 2 else x
        bar, b = abar[k - 1], beta[k - 1]
        bar_before = abar[k - 2] if k > 1 else torch.ones(())
        a0 = ((a - (1 - bar).sqrt() * x) / bar.sqrt()).clamp(-1, 1)
        a = (bar_before.sqrt() * b * a0 + (1 - b).sqrt() * (1 - bar_before) * a) / (1 - bar)
        if k > 1:
            v = b if variance == "beta" else b * (1 - bar_before) / (1 - bar)
            a = a + v.sqrt() * noise[steps - k + 1, 2, 1]
    torch.testing.assert_close(drawn[2, 1], a.clamp(-1, 1), atol=1e-12, rtol=0)
    assert float(drawn.abs().max()) <= 1.0


def test_the_loss_is_the_noise_prediction_error():
    training = behavior_training._Training(data(100), FAST)
    states, actions = training.states[:3], training.actions[:3]
    xi, k = torch.randn(3, ACTION, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 4, 2])
    total = 0.0
    for row in range(3):
        bar = vp_schedule(5)[1][k[row]].float()
        t = step_embedding(5)[k[row]]
        for layer in range(2):
            t = t @ training.of_step.weights[layer][0] + training.of_step.biases[layer][0, 0]
            t = nn.functional.mish(t) if layer == 0 else t
        x = torch.cat([bar.sqrt() * actions[row] + (1 - bar).sqrt() * xi[row], t, states[row]])
        for layer in range(3):
            x = x @ training.net.weights[layer][0] + training.net.biases[layer][0, 0]
            x = nn.functional.mish(x) if layer < 2 else x
        total += float(((xi[row] - x) ** 2).sum().detach())
    loss = training.loss(states, training.noisy(actions, k, xi), training.one_hot(k), xi)
    assert float(loss.detach()) == pytest.approx(total / (3 * ACTION), rel=1e-5)


def test_the_embedding_network_is_trained_with_the_rest():
    training = behavior_training._Training(data(100), FAST)
    before = [p.detach().clone() for p in training.parameters]
    training.step(0)
    assert all(not torch.equal(x, y) for x, y in zip(before, training.parameters, strict=True))


def test_a_trained_model_gives_actions_around_those_of_the_data():
    source = data(4_000)
    model, metrics = train_behavior(
        source, BehaviorSettings(hidden=(64, 64), steps=1_500, lr=2e-3, lr_schedule="cosine")
    )
    states = torch.zeros(2, OBSERVATION)
    states[:, 0] = torch.tensor([-2.0, 2.0])
    noise = torch.randn(5, 500, 2, ACTION, generator=torch.Generator().manual_seed(0))
    samples = model.sample(states, noise)
    mean = samples.mean(0)
    assert float((mean - 0.5 * torch.tanh(states[:, :1])).abs().max()) < 0.12
    std = metrics["sampled_std_posterior"]
    assert std[0] < std[1] < 0.3
    assert metrics["sampled_std_beta"][1] > std[1]
    assert metrics["data_rms_distance_posterior"][1] == pytest.approx(0.3, abs=0.05)


SWITCHES = {
    "hidden": (16,),
    "steps": 51,
    "lr": 1e-4,
    "batch_size": 32,
    "diffusion_steps": 4,
    "ema": True,
    "ema_decay": 0.5,
    "standardize_states": True,
    "lr_schedule": "cosine",
}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_the_model(name):
    base = {"hidden": (32, 32), "steps": 50, "lr": 1e-3, "batch_size": 64, "ema": name == "ema_decay"}
    models = [
        train_behavior(data(200), BehaviorSettings(**base | change))[0] for change in ({}, {name: SWITCHES[name]})
    ]
    states = torch.randn(6, OBSERVATION, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(5, 1, 6, ACTION, generator=torch.Generator().manual_seed(1))
    samples = [model.sample(states, noise[: model.steps]) for model in models]
    assert not torch.equal(*samples)


def test_every_training_setting_has_a_switch_test():
    assert set(SWITCHES) == set(BehaviorSettings.__dataclass_fields__)


def test_the_moving_average_is_kept_from_the_start():
    training = behavior_training._Training(data(100), BehaviorSettings(hidden=(8,), steps=3, batch_size=16, ema=True))
    average = [p.detach().clone() for p in training.parameters]
    for number in range(3):
        training.step(number)
        average = [0.995 * x + 0.005 * p.detach() for x, p in zip(average, training.parameters, strict=True)]
    model = training.finish()
    first_of_net = len(list(training.of_step.parameters()))
    torch.testing.assert_close(model.weights[0], average[first_of_net][0], atol=1e-6, rtol=0)


# -- limit actions -----------------------------------------------------------------------------------------------------


def test_cached_actions_are_samples_of_their_own_state(monkeypatch):
    monkeypatch.setattr(limit_actions, "CHUNK", 7)
    model = random_behavior()
    states = data(20).observations
    settings = LimitActionsSettings(FAST, count=4)
    actions = draw_actions(model, states, settings, torch.Generator().manual_seed(3))
    assert actions.shape == (20, 4, ACTION)
    g = torch.Generator().manual_seed(3)
    for start, size in ((0, 7), (7, 7), (14, 6)):
        noise = torch.randn(5, 4, size, ACTION, generator=g)
        expected = model.to(torch.float32, torch.device("cpu")).sample(states[start : start + size], noise)
        torch.testing.assert_close(actions[start : start + size], expected.transpose(0, 1))


def test_choosing_takes_neighbours_and_wraps():
    cache = torch.arange(6 * 4.0).view(6, 4, 1)
    chosen = choose(cache, torch.tensor([[5, 0], [2, 2]]), torch.tensor([[3, 0], [1, 2]]), 3)
    assert chosen.shape == (2, 3, 2, 1)
    assert chosen[0, :, 0, 0].tolist() == [23.0, 20.0, 21.0]
    assert chosen[0, :, 1, 0].tolist() == [0.0, 1.0, 2.0]
    assert chosen[1, :, 0, 0].tolist() == [9.0, 10.0, 11.0]
    assert chosen[1, :, 1, 0].tolist() == [10.0, 11.0, 8.0]


def test_asking_for_more_actions_than_are_stored_is_refused():
    check_count(10, 10)
    with pytest.raises(RepriseError, match="n_limit_actions is 11; give 1 to limit_cache_size"):
        check_count(11, 10)


def test_the_cache_is_an_artifact_that_needs_its_model():
    source = Source("toy", "toy", "hash", lambda: data(100))
    cache = limit_actions.limit_actions(LimitActionsSettings(FAST, 3), source)
    behavior = behavior_model(FAST, source)
    assert cache.artifact.needs == (behavior.artifact,)
    actions = cache.load(cache.artifact.ensure())
    assert behavior.artifact.ready()
    assert actions.shape == (100, 3, ACTION)
    assert actions.dtype == torch.float32
    others = [
        LimitActionsSettings(FAST, 4),
        LimitActionsSettings(FAST, 3, "beta"),
        LimitActionsSettings(FAST, 3, of="next_observations"),
        LimitActionsSettings(BehaviorSettings(), 3),
    ]
    keys = {limit_actions.limit_actions(other, source).artifact.key for other in others}
    assert len(keys | {cache.artifact.key}) == 5
    next_cache = limit_actions.limit_actions(others[2], source)
    assert not torch.equal(next_cache.load(next_cache.artifact.ensure()), actions)


def test_a_damaged_model_file_is_named():
    source = Source("toy", "toy", "hash", lambda: data(100))
    model = behavior_model(FAST, source)
    folder = model.artifact.ensure()
    (folder / "behavior.pt").write_bytes(b"not a model")
    with pytest.raises(RepriseError, match=r"behavior\.pt: not a readable model"):
        model.load(folder)

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.neurons import SpikeEncoder, encode, hashed_uniform


def tokens(*values):
    return torch.tensor(values).view(1, 1, -1)


@pytest.mark.parametrize("seed", [None, 0, 5])
def test_poisson_fires_with_the_given_probability(seed):
    torch.manual_seed(0)
    p = torch.linspace(0, 1, 9).view(1, 1, -1).expand(2, 5, 9)
    rate = encode(p, "poisson", 2000, seed=seed).mean(0)
    # 4.5 deviations of the mean of 2000 Bernoulli draws; never at p = 0, always at p = 1
    assert ((rate - p).abs() <= 4.5 * (p * (1 - p) / 2000).sqrt()).all()


def test_poisson_spikes_of_an_evaluation_are_bernoulli_not_evenly_spread():
    p = torch.full((1, 40, 40), 0.3)
    counts = encode(p, "poisson", 10, seed=1).sum(0)
    assert counts.mean().item() == pytest.approx(3, abs=0.15)
    assert counts.var().item() == pytest.approx(10 * 0.3 * 0.7, rel=0.15)


def test_hashed_numbers_are_uniform_and_independent_along_every_axis():
    u = hashed_uniform(0, (32, 32, 32)).double()
    assert u.min() >= 0 and u.max() < 1
    counts = torch.histc(u, 16, 0, 1)
    assert ((counts - 2048).abs() < 5 * 2048**0.5).all()
    other = hashed_uniform(1, (32, 32, 32)).double()
    row, column = torch.triu_indices(32, 32, 1)
    swapped = (u[:, row, column], u[:, column, row])
    for first, second in [(u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), (u[..., 1:], u[..., :-1]), (u, other), swapped]:
        correlation = torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]
        assert abs(correlation) < 5 / first.numel() ** 0.5


def test_evaluation_depends_neither_on_batch_nor_on_padding_nor_on_t():
    encoder, x = SpikeEncoder("poisson", seed=3).eval(), torch.randn(4, 9, 6)
    spikes = encoder(x, 5)
    assert torch.equal(spikes, encoder(x, 5))
    assert torch.equal(spikes[:, 2:3, :4], encoder(x[2:3, :4], 5))
    assert torch.equal(spikes[:3], encoder(x, 3))
    assert not torch.equal(spikes, SpikeEncoder("poisson", seed=4).eval()(x, 5))


def test_training_draws_anew_from_torchs_generator():
    encoder, x = SpikeEncoder("poisson").train(), torch.randn(2, 9, 6)
    torch.manual_seed(0)
    first, second = encoder(x, 5), encoder(x, 5)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(encoder(x, 5), first)


def test_latency_by_hand():
    # (1 − p)·4 = 4, 3.2, 2.8, 1.6, 0.4, 0: levels 3 and above stay silent
    spikes = encode(tokens(0.0, 0.2, 0.3, 0.6, 0.9, 1.0), "latency", 3)[:, 0, 0]
    assert spikes.tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]]


@pytest.mark.parametrize("num_timesteps", [1, 2, 7])
def test_latency_fires_once_at_most_and_earlier_for_more(num_timesteps):
    spikes = encode(torch.linspace(0, 1, 101).view(1, 1, -1), "latency", num_timesteps)[:, 0, 0]
    assert spikes.sum(0).max() == 1
    time = torch.where(spikes.any(0), spikes.argmax(0), num_timesteps)
    assert (time.diff() <= 0).all()
    # T + 1 levels of equal width
    assert set(time.tolist()) == set(range(num_timesteps + 1))
    assert (time.bincount() - 101 / (num_timesteps + 1)).abs().max() <= 1


def test_one_step_still_tells_values_apart():
    assert encode(tokens(0.4, 0.6), "latency", 1).flatten().tolist() == [0, 1]
    assert encode(torch.full((1, 50, 50), 0.25), "poisson", 1, seed=0).mean().item() == pytest.approx(0.25, abs=0.05)


def test_poisson_passes_the_gradient_of_all_its_steps():
    p = tokens(0.1, 0.5, 0.9).requires_grad_()
    weight = torch.randn(4, 1, 1, 3)
    (encode(p, "poisson", 4, seed=0) * weight).sum().backward()
    torch.testing.assert_close(p.grad, weight.sum(0))


def test_latency_gradient_is_that_of_interpolated_levels():
    num_timesteps, step = 3, 1e-4
    weight = torch.tensor([0.7, -1.0, 2.5], dtype=torch.float64)
    middles = 1 - (torch.arange(num_timesteps + 1, dtype=torch.float64) + 0.5) / (num_timesteps + 1)

    def interpolated(p: float) -> float:
        """Value of the weighted code where p between two middles is a mixture of their one-hot codes."""
        p = min(p, middles[0].item())
        code = (1 - (p - middles).abs() * (num_timesteps + 1)).clamp(min=0)
        return float((code[:num_timesteps] * weight).sum())

    values = [0.05, 0.2, 0.3, 0.45, 0.6, 0.7, 0.8, 0.95]
    p = torch.tensor(values, dtype=torch.float64).view(1, 1, -1).requires_grad_()
    (encode(p, "latency", num_timesteps) * weight.view(-1, 1, 1, 1)).sum().backward()
    expected = [(interpolated(v + step) - interpolated(v - step)) / (2 * step) for v in values]
    assert p.grad.flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("code", ["poisson", "latency"])
def test_following_the_gradient_makes_the_wanted_code(code):
    """Asked for early spikes, the tokens grow; the encoder's own gradient reaches them through norm and sigmoid."""
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    encoder, wanted = SpikeEncoder(code).eval(), torch.arange(8) < 4
    optimiser = torch.optim.Adam([x], lr=0.1)

    def early(spikes):
        return (spikes * torch.tensor([4.0, 3, 2, 1]).view(4, 1, 1, 1))[..., wanted].mean()

    before = early(encoder(x, 4)).item()
    for _ in range(20):
        optimiser.zero_grad()
        (-early(encoder(x, 4))).backward()
        assert x.grad.any()
        optimiser.step()
    assert early(encoder(x, 4)).item() > before + 0.2


@pytest.mark.parametrize("code", ["poisson", "latency"])
def test_nan_is_not_silence(code):
    assert encode(tokens(float("nan"), 1.0), code, 2, seed=0)[:, 0, 0, 0].isnan().all()


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="spike code: expected one of poisson, latency, got 'rate'"):
        encode(tokens(0.5), "rate", 2)
    with pytest.raises(InputError, match="num_timesteps: expected at least 1, got 0"):
        encode(tokens(0.5), "latency", 0)

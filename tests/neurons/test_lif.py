"""The reference, worked out by hand."""

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.neurons import LIF, LIFParameters, lif, lif_reference


def spikes_and_state(currents, parameters, v=None):
    spikes, state = lif_reference(torch.tensor(currents)[:, None], parameters, None if v is None else torch.tensor([v]))
    return spikes.flatten().tolist(), state.item()


def test_hard_reset_leaks_the_kept_potential_and_forgets_a_fired_one():
    # U: 0.75 | 0.375 + 0.75 = 1.125 fires | 0 + 0.5 | 0.25 + 0.75 = 1 fires: the tie; H after it is 0
    assert spikes_and_state([0.75, 0.75, 0.5, 0.75], LIFParameters()) == ([0, 1, 0, 1], 0)


def test_state_after_the_last_step_is_leaked():
    assert spikes_and_state([0.75], LIFParameters()) == ([0], 0.375)


def test_reset_potential_is_not_leaked():
    # U: 1 fires, H = -0.25 | 1.25 - 0.25 = 1 fires | 0.5 - 0.25 = 0.25, H = 0.125
    assert spikes_and_state([1.0, 1.25, 0.5], LIFParameters(v_reset=-0.25)) == ([1, 1, 0], 0.125)


def test_soft_reset_keeps_the_excess():
    # U: 1.5 fires, H = 0.5 * 0.5 = 0.25 | 0.75 + 0.25 = 1 fires, H = 0 | 0.5, H = 0.25
    assert spikes_and_state([1.5, 0.75, 0.5], LIFParameters(reset="soft")) == ([1, 1, 0], 0.25)


def test_initial_state_enters_before_the_first_comparison():
    assert spikes_and_state([0.5], LIFParameters(), v=0.5) == ([1], 0)


@pytest.mark.parametrize("backend", ["reference", "torch", "fused"])
def test_gradient_of_two_steps_by_hand(backend):
    # x = (0.5, 0.25), no spike: U1 = 0.5, U2 = 0.25 + 0.25 = 0.5; surrogate s' = 1 / (1 + (pi/2 * 2 * (-0.5))^2)
    x = torch.tensor([[0.5], [0.25]], requires_grad=True)
    spikes, _ = lif(x, backend=backend)
    spikes[1].sum().backward()
    slope = 1 / (1 + (torch.pi * 0.5) ** 2)
    torch.testing.assert_close(x.grad.flatten(), torch.tensor([0.5 * slope, slope]))


@pytest.mark.parametrize("backend", ["reference", "torch", "fused"])
def test_detached_reset_cuts_the_path_through_a_spike(backend):
    def gradient(detach_reset):
        x = torch.tensor([[1.5], [0.25]], requires_grad=True)
        spikes, _ = lif(x, LIFParameters(detach_reset=detach_reset), backend=backend)
        spikes[1].sum().backward()
        return x.grad.flatten()

    second = 1 / (1 + (torch.pi * -0.75) ** 2)  # U2 = 0.25
    assert gradient(True).tolist() == pytest.approx([0, second])
    # dH1/dU1 = -beta U1 s'(U1 - 1) = -0.5 * 1.5 / (1 + (pi/2)^2)
    assert gradient(False).tolist() == pytest.approx([-0.75 / (1 + (torch.pi / 2) ** 2) * second, second])


@pytest.mark.parametrize(
    "change, told",
    [
        ({"beta": 1.5}, "beta"),
        ({"beta": float("nan")}, "beta"),
        ({"v_threshold": 0}, "v_threshold"),
        ({"reset": "none"}, "reset"),
        ({"surrogate": "step"}, "surrogate"),
        ({"surrogate_alpha": -1.0}, "surrogate_alpha"),
        ({"reset": "soft", "v_reset": 0.5}, "v_reset"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change, told):
    with pytest.raises(InputError, match=f"LIFParameters.{told}: expected .* got"):
        LIFParameters(**change)


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"current": torch.ones(2, 3, dtype=torch.int64)}, "floating-point"),
        ({"current": torch.ones(0, 3)}, "T >= 1"),
        ({"current": torch.ones(3), "num_timesteps": 0}, "at least 1"),
        ({"current": torch.ones(2, 3), "v": torch.ones(2, 3)}, "initial state"),
        ({"current": torch.ones(2, 3), "scale": torch.ones(3)}, "both or neither"),
        ({"current": torch.ones(2, 3), "beta": torch.ones(4)}, "3 channels"),
        ({"current": torch.ones(2, 3), "reduction": "sum"}, "'none' or 'mean'"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        lif(**arguments)


def test_learned_parameters_start_at_the_given_values_and_take_gradients():
    layer = LIF(LIFParameters(beta=0.75, learn_beta=True, learn_threshold=True), num_channels=4, backend="fused")
    assert {name: p.tolist() for name, p in layer.named_parameters()} == {"beta": [0.75] * 4, "v_threshold": [1.0] * 4}
    layer(torch.rand(5, 3, 4)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in layer.parameters())


def test_fixed_parameters_are_no_state_of_the_module():
    assert LIF().state_dict() == {}


def test_half_module_keeps_a_fixed_beta_exact():
    # a buffer would have been rounded to bfloat16: 0.9 -> 0.8984375
    layer = LIF(LIFParameters(beta=0.9), backend="fused").to(torch.bfloat16)
    _, v = layer(torch.tensor([[0.5]], dtype=torch.bfloat16), return_state=True)
    assert v.dtype == torch.float32 and v.item() == torch.tensor(0.5).mul(0.9).item()

"""What device_parity.py asks of a GPU, asked of the CPU: every variant the compiler is asked for is launched."""

import pytest
import torch

from snnvtg.neurons.backends import fused_operator
from tests.neurons import device_parity
from tests.neurons.triton_checks import VARIANTS

FLAGS = ("repeat", "mean", "soft", "truncate", "beta_per_channel", "threshold_per_channel")
GIVEN = ("state", "scale", "shift", "potential", "grad_state_out", "grad_potential")
WANTED = ("grad_current", "grad_state", "grad_beta", "grad_threshold", "grad_scale", "grad_shift")


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_each_variant_is_launched_as_it_is_compiled_and_equals_the_reference(variant, monkeypatch):
    launched = {}
    kernel = fused_operator.KERNELS["cpu"]

    def record(direction, tensors, settings):
        launched[direction] = (tensors, settings)
        kernel(direction, tensors, settings)

    monkeypatch.setitem(fused_operator.KERNELS, "cpu", record)
    device_parity.compare(variant, "cpu")
    names = variant.get("given", "").split()
    for tensors, settings in launched.values():
        asked = {"steps": 8, "surrogate": 0, "reset_to": 0.0, "alpha": 2.0, "detach": True} | dict.fromkeys(
            FLAGS, False
        )
        asked |= {name: value for name, value in variant.items() if name not in ("dtype", "given", "on_device")}
        assert {name: settings[name] for name in asked} == asked
        assert tensors["current"].dtype == variant.get("dtype", torch.float32)
    present = {name for tensors, _ in launched.values() for name, tensor in tensors.items() if tensor is not None}
    assert present & {*GIVEN, *WANTED} == {"grad_current", *names}


def test_a_kernel_that_is_wrong_is_seen(monkeypatch):
    kernel = fused_operator.KERNELS["cpu"]

    def wrong(direction, tensors, settings):
        kernel(direction, tensors, settings)
        if direction == "backward":
            tensors["grad_current"] *= 1.001

    monkeypatch.setitem(fused_operator.KERNELS, "cpu", wrong)
    with pytest.raises(AssertionError, match="gradient of current"):
        device_parity.compare({}, "cpu")

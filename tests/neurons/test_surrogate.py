"""Each surrogate is the derivative of its primitive."""

import pytest
import torch

from snnvtg.neurons import SURROGATES


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("alpha", [0.7, 2.0])
def test_derivative_is_that_of_the_primitive(name, alpha):
    x = torch.linspace(-3.01, 3, 400, dtype=torch.float64)
    s, step = SURROGATES[name], 1e-6
    slope = (s.primitive(x + step, alpha) - s.primitive(x - step, alpha)) / (2 * step)
    torch.testing.assert_close(s.derivative(x, alpha), slope, rtol=1e-6, atol=1e-7)


def test_atan_with_alpha_2_is_1_at_the_threshold():
    # alpha / 2 / (1 + 0)
    assert SURROGATES["atan"].derivative(torch.zeros(1), 2.0).item() == 1


def test_numbers_are_those_of_the_kernel_table():
    assert [s.number for s in SURROGATES.values()] == list(range(len(SURROGATES)))

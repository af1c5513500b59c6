"""Alg. 1 and 2 written out with loops, in float64, against the layers."""

import torch
from torch.nn.functional import linear, silu, softplus

from snnvtg.layers.mamba import DepthwiseConv, SelectiveSSM
from snnvtg.models.spikemba import SpikeMbaConfig
from snnvtg.models.spikemba.network import ContextualMomentReasoner, MultiModalRelevantMamba


def convolved(conv, k, x):
    """Line 6 for direction k: x (M, E); the kernel's last weight meets the position itself."""
    weight, bias = conv.weight[k], conv.bias[k]
    out, size = torch.zeros_like(x), weight.shape[1]
    for t in range(len(x)):
        for j in range(size):
            source = t - (size - 1 - j) if k == 0 else t + (size - 1 - j)
            if 0 <= source < len(x):
                out[t] += weight[:, j] * x[source]
    return silu(out + bias)


def scanned(parameters, x, backwards):
    """Lines 7-13 for one direction: x (M, E) -> y (M, E)."""
    low, B, C = parameters.x_proj(x).split([parameters.rank, parameters.state_size, parameters.state_size], -1)
    delta = softplus(parameters.dt_proj(low))
    A = -torch.exp(parameters.A_log)
    h, y = torch.zeros_like(A), torch.zeros_like(x)
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        h = torch.exp(delta[t, :, None] * A) * h + delta[t, :, None] * B[t] * x[t, :, None]
        y[t] = h @ C[t] + parameters.D * x[t]
    return y


def ssm(layer, conv, x):
    """Both directions, summed."""
    return sum(scanned(p, convolved(conv, k, x), k == 1) for k, p in enumerate(layer.directions))


def double(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module.double().eval()


def tiny(**changes):
    return SpikeMbaConfig(width=6, num_heads=1, state_size=3, conv_width=3, dropout=0, **changes)


def test_selective_ssm_in_one_and_both_directions():
    for direction in ("forward", "bidirectional"):
        layer, conv = double(SelectiveSSM(5, 3, direction)), double(DepthwiseConv(5, 3, direction))
        x = torch.randn(7, 5, dtype=torch.float64)
        mask = torch.ones(1, 7, dtype=torch.bool)
        out = layer(conv(x.unsqueeze(0), mask), mask)[0]
        torch.testing.assert_close(out, ssm(layer, conv, x), rtol=1e-9, atol=1e-9)


def test_contextual_moment_reasoner_is_algorithm_1():
    cmr = double(ContextualMomentReasoner(tiny()))
    vis, tex = torch.randn(7, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    z = cmr.linear_z(cmr.norm_vis(vis))
    y_vis = ssm(cmr.ssm, cmr.conv_vis, cmr.linear_x(cmr.norm_vis(vis)))
    y_tex = ssm(cmr.ssm, cmr.conv_tex, cmr.linear_x(cmr.norm_tex(tex)))
    weight = linear(y_tex, cmr.pool.score.weight, cmr.pool.score.bias).softmax(0)
    pooled = (weight * y_tex).sum(0)
    expected = vis + cmr.linear_out(y_vis * silu(z) + pooled * silu(z))
    mask_vis, mask_tex = torch.ones(1, 7, dtype=torch.bool), torch.ones(1, 4, dtype=torch.bool)
    out = cmr(vis.unsqueeze(0), mask_vis, tex.unsqueeze(0), mask_tex)[0]
    torch.testing.assert_close(out, expected, rtol=1e-9, atol=1e-9)


def test_multi_modal_relevant_mamba_is_algorithm_2():
    mrm = double(MultiModalRelevantMamba(tiny()))
    tokens, spikes = torch.randn(7, 6, dtype=torch.float64), torch.rand(7, 6, dtype=torch.float64)
    y = ssm(mrm.ssm, mrm.conv, mrm.linear_x(mrm.norm_t(tokens)))
    expected = mrm.linear_out(y * silu(mrm.linear_z(mrm.norm_s(spikes)))) + tokens
    out = mrm(tokens.unsqueeze(0), spikes.unsqueeze(0), torch.ones(1, 7, dtype=torch.bool))[0]
    torch.testing.assert_close(out, expected, rtol=1e-9, atol=1e-9)


def test_initial_step_sizes_lie_in_their_range():
    layer = SelectiveSSM(64, 3, "forward")
    delta = softplus(layer.directions[0].dt_proj.bias)
    assert delta.min() > 0.9e-3
    assert delta.max() < 1.1e-1

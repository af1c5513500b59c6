"""The reference: the selective scan as a plain loop over the steps, differentiated by autograd.

Mamba (Gu and Dao 2023), Algorithm 2 with the discretisation of its code: h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t
and y_t = C_t h_t + D u_t, gated by silu(z_t).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.scan.inputs import Scan, ScanInputs, compute_dtype, restarts


def run(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    scan, dtype = scan.masked(), scan.directions[0].u.dtype
    outputs, states = zip(
        *(
            _one_direction(direction.to(compute_dtype(dtype)), scan, reverse)
            for direction, reverse in zip(scan.directions, scan.reverse, strict=True)
        ),
        strict=True,
    )
    y = sum(outputs[1:], outputs[0])
    if scan.z is not None:
        y = y * F.silu(scan.z.to(y.dtype))
    if scan.valid_mask is not None:
        y = torch.where(scan.valid_mask[..., None], y, 0)
    return y.to(dtype), list(states)


def _one_direction(x: ScanInputs, scan: Scan, reverse: bool) -> tuple[Tensor, Tensor]:
    delta = x.delta if x.delta_bias is None else x.delta + x.delta_bias
    if x.delta_softplus:
        delta = F.softplus(delta)
    h = x.u.new_zeros(x.u.shape[0], *x.A.shape) if x.initial_state is None else x.initial_state
    # unbind: indexing [:, t] would give each step a gradient of the full size, and the backward pass a quadratic time
    us, deltas, Bs, Cs = (tensor.unbind(1) for tensor in (x.u, delta, x.B, x.C))
    masks = None if scan.valid_mask is None else scan.valid_mask.unbind(1)
    fresh = None if scan.seq_idx is None else restarts(scan.seq_idx, scan.valid_mask, reverse).unbind(1)
    ys = [None] * len(us)
    for t in reversed(range(len(us))) if reverse else range(len(us)):
        if fresh is not None:
            h = torch.where(fresh[t][:, None, None], 0, h)
        decay = torch.exp(deltas[t][..., None] * x.A)
        following = decay * h + (deltas[t] * us[t])[..., None] * Bs[t][:, None]
        h = following if masks is None else torch.where(masks[t][:, None, None], following, h)
        # no matrix product, which autocast would round, in the backward pass too
        ys[t] = (h * Cs[t][:, None]).sum(-1)
        if x.D is not None:
            ys[t] = ys[t] + x.D * us[t]
    # a copy: autograd keeps the last state, which the caller may write to
    return torch.stack(ys, 1) if ys else torch.zeros_like(x.u), h.clone()

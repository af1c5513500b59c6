"""Products in unusual clothes: sparse operands, outer products, distances, factorisations.

Factorisations count their leading terms: Cholesky n³/6 MACs, LU n³/3, an inverse n³, a triangular solve of k columns
n²k/2.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts
from snnvtg.energy.rules.linear import LINEAR, addmm, mm, product


def outer(call: Call) -> Counts:
    """addr(bias, a, b): one product an entry and the bias."""
    return counts(mac=call.numel, add=call.numel)


def batched_sum(call: Call) -> Counts:
    """addbmm(bias, a (B, n, k), b (B, k, m)): products summed over B."""
    made = product(call, *call.args[1:3])
    return {**made, **counts(add=call.numel)}


def activated(call: Call) -> Counts:
    """_addmm_activation(bias, a, b, …, use_gelu): addmm and its ReLU or GELU."""
    made, gelu = addmm(call), call.kwargs.get("use_gelu", False)
    adds = made["add"][0] + (call.numel if gelu else 0)
    extra = counts(erf=call.numel, mul=3 * call.numel) if gelu else counts(compare=call.numel)
    return {**made, **extra, "add": (adds, adds)}


def trilinear(call: Call) -> Counts:
    """_trilinear(a, b, c, expand1, expand2, expand3, …), F.bilinear's: a·b·c over all axes, one product and one MAC."""
    shapes = []
    for tensor, axes in zip(call.args[:3], call.args[3:6], strict=True):
        shape = list(tensor.shape)
        for axis in sorted(axes):
            shape.insert(axis, 1)
        shapes.append(shape)
    entries = torch.broadcast_shapes(*shapes).numel()
    return counts(mac=entries, mul=entries)


def euclidean(call: Call) -> Counts:
    """_euclidean_dist(x (P, M), y (R, M)): |x|² + |y|² − 2 x·y by one product, roots."""
    (x, y), n = call.args[:2], call.numel
    return counts(mac=n * (x.shape[-1] + 2), mul=x.numel() + y.numel(), add=x.numel() + y.numel(), sqrt=n)


def distances(call: Call) -> Counts:
    """_cdist_forward(x (…, P, M), y (…, R, M), p): a difference, its power and its sum for each of P·R·M."""
    n, p = call.numel * call.args[0].shape[-1], call.args[2]
    power = {2.0: {"mul": n}, 1.0: {}}.get(p, {"log": n, "exp": n, "mul": n})
    return counts(add=2 * n, **power, sqrt=call.numel if p == 2 else 0)


def grid(call: Call) -> Counts:
    """affine_grid_generator(theta (N, 2, 3), size): a 2 × 3 matrix times every position."""
    axes = call.args[0].shape[-2]
    return counts(mac=call.numel // axes * axes * (axes + 1))


def factorised(share: float) -> Callable[[Call], Counts]:
    """`share` · n³ MACs for each matrix, n square roots or quotients."""

    def rule(call: Call) -> Counts:
        a = call.args[0]
        n, matrices = a.shape[-1], a.numel() // max(a.shape[-1] * a.shape[-2], 1)
        return counts(mac=round(share * matrices * n**3), div=matrices * n * (n - 1) // 2, sqrt=matrices * n)

    return rule


def solved(share: float) -> Callable[[Call], Counts]:
    """`share` · n² MACs for each right-hand side."""

    def rule(call: Call) -> Counts:
        n = max(call.numel // max(call.result.shape[-1], 1), 1)
        side = call.result.shape[-2] if call.result.dim() > 1 else n
        return counts(mac=round(share * side * call.numel), div=call.numel)

    return rule


def sparse_product(call: Call) -> Counts:
    """_sparse_addmm(bias, sparse, dense), _sparse_sparse_matmul: a row for each entry that is stored."""
    left, right = [a for a in call.args if isinstance(a, Tensor)][-2:]
    return product(call, left, right)


MATRICES: dict[str, Callable[[Call], Counts]] = {
    "addr": outer,
    "addbmm": batched_sum,
    "_addmm_activation": activated,
    "_trilinear": trilinear,
    "_cdist_forward": distances,
    "_euclidean_dist": euclidean,
    "affine_grid_generator": grid,
    "linalg_cholesky_ex": factorised(1 / 6),
    "linalg_lu_factor_ex": factorised(1 / 3),
    "_linalg_solve_ex": factorised(1 / 3),
    "linalg_inv_ex": factorised(1.0),
    "linalg_qr": factorised(4 / 3),
    "cholesky": factorised(1 / 6),
    "linalg_solve_triangular": solved(0.5),
    "triangular_solve": solved(0.5),
    "linalg_lu_solve": solved(1.0),
    "cholesky_solve": solved(1.0),
    "_cholesky_solve_helper": solved(1.0),
    "_sparse_addmm": lambda call: {**sparse_product(call), **counts(add=call.numel)},
    "_sparse_sparse_matmul": sparse_product,
    "_int_mm": mm,
    "vdot": LINEAR["dot"],
}

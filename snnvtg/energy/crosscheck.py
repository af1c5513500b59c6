"""Dense MACs beside two independent counters: fvcore's FlopCountAnalysis and torch's FlopCounterMode.

fvcore counts what `torch.jit` traces and cannot see into fused kernels; `FVCORE_HANDLES` teaches it the leaf operations
of this package (and torch's fused attention). Use them on your own:

    with leaf_ops_in_traces():
        FlopCountAnalysis(model, inputs).set_op_handle(**FVCORE_HANDLES).total()

fvcore reports MACs for products ("one fused multiply-add"), flops for norms; torch reports two flops a MAC.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode

from snnvtg.energy.backward_markers import leaves
from snnvtg.energy.ledger import Ledger
from snnvtg.energy.rules.attention import ATTENTION
from snnvtg.leaf_ops import observe


class _Opaque(torch.autograd.Function):
    """A leaf operation as one node of a trace, hidden from counters; inference only."""

    @staticmethod
    def forward(ctx: Any, run: Callable[[], Any], *tensors: Tensor) -> Any:
        tracing = torch._C._get_tracing_state()
        torch._C._set_tracing_state(None)
        try:
            with _disable_current_modes():
                return run()
        finally:
            torch._C._set_tracing_state(tracing)


class LIFNode(_Opaque):
    """`lif`: no MAC."""


class EncoderNode(_Opaque):
    """`encode`: comparisons."""


class SelectiveScanNode(_Opaque):
    """`selective_scan`, `bidirectional_selective_scan`: products and adds, which fvcore's unit does not hold."""


class CausalConv1dNode(_Opaque):
    """`causal_conv1d`: a MAC a tap."""


NODES = {
    "lif": LIFNode,
    "encode": EncoderNode,
    "selective_scan": SelectiveScanNode,
    "bidirectional_selective_scan": SelectiveScanNode,
    "causal_conv1d": CausalConv1dNode,
}


@contextmanager
def leaf_ops_in_traces() -> Iterator[None]:
    """Let the package's leaf operations show in a trace as one node each, whichever backend runs them."""
    depth = 0

    def observer(name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        nonlocal depth
        if depth or name not in NODES:
            return function(*args, **kwargs)
        depth += 1
        try:
            return NODES[name].apply(lambda: function(*args, **kwargs), *leaves((args, kwargs)))
        finally:
            depth -= 1

    with observe(observer):
        yield


def _shape(value: Any) -> list[int]:
    return value.type().sizes() or []


def no_macs(inputs: list, outputs: list) -> Counter:
    """LIF layers, encoders and scans multiply and add, but hold no MAC in the ledger's sense."""
    return Counter()


def causal_conv1d_macs(inputs: list, outputs: list) -> Counter:
    """x (B, L, D), weight (D, K): B·L·D·K."""
    batch, length, channels = _shape(inputs[0])
    return Counter({"causal_conv1d": batch * length * channels * _shape(inputs[1])[-1]})


def attention_macs(inputs: list, outputs: list) -> Counter:
    """q (B, H, n, d), k (B, H, m, d), v (B, H, m, e): B·H·n·m·(d + e)."""
    q, k, v = (_shape(value) for value in inputs[:3])
    return Counter({"attention": q[0] * q[1] * q[2] * k[2] * (q[3] + v[3])})


FVCORE_HANDLES: dict[str, Callable] = {
    "prim::PythonOp.LIFNode": no_macs,
    "prim::PythonOp.EncoderNode": no_macs,
    "prim::PythonOp.SelectiveScanNode": no_macs,
    "prim::PythonOp.CausalConv1dNode": causal_conv1d_macs,
    "aten::scaled_dot_product_attention": attention_macs,
}


GROUPS = {
    "linear": ("aten.addmm", "aten.mm", "aten.bmm", "aten.baddbmm", "aten.mv", "aten.dot"),
    "conv": ("aten.convolution",),
    "causal_conv1d": ("causal_conv1d",),
    "attention": tuple(f"aten.{name}" for name in ATTENTION),
}
FVCORE_GROUPS = {"linear": ("linear", "addmm", "mm", "matmul", "bmm", "baddbmm", "einsum", "mv", "dot")}
TORCH_GROUPS = {"linear": ("mm", "addmm", "bmm", "baddbmm"), "conv": ("convolution",), "attention": tuple(ATTENTION)}
REASONS = {
    "linear": "matrix products, spike-driven ones counted densely",
    "conv": "fvcore and torch count the taps on zero padding as well (column padding)",
    "causal_conv1d": "one fused operator: fvcore sees it through FVCORE_HANDLES, padding included, torch does not",
    "attention": "fused attention",
    "norms": "fvcore gives flops (5 an entry, 1 or 2 for batch norm); no product, so MACs in neither other counter",
}


@torch.no_grad()
def cross_check(model: nn.Module, *args: Any) -> pd.DataFrame:
    """Dense MACs of `model(*args)` by group: the ledger's, those on padding, fvcore's, torch's (flops / 2), why they
    differ.
    """
    with Ledger(model) as ledger:
        model(*args)
    table = ledger.table()
    dense = table[table.kind.isin(["mac", "ac"])].groupby("op").dense.sum().to_dict()
    with leaf_ops_in_traces():
        analysis = FlopCountAnalysis(_Called(model, args), ()).set_op_handle(**FVCORE_HANDLES)
        by_fvcore = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
        with FlopCounterMode(display=False) as counter:
            model(*args)
    by_torch = {str(op).removeprefix("aten."): n / 2 for op, n in counter.get_flop_counts()["Global"].items()}
    on_padding = taps_on_padding(model, *args)
    rows = []
    for group, reason in REASONS.items():
        rows.append(
            {
                "group": group,
                "ledger": sum(dense.get(op, 0) for op in GROUPS.get(group, ())),
                "padding": on_padding.get(group, 0),
                "fvcore": int(_sum(by_fvcore, FVCORE_GROUPS.get(group, NORMS if group == "norms" else (group,)))),
                "torch": int(_sum(by_torch, TORCH_GROUPS.get(group, ()))),
                "remark": reason,
            }
        )
    return pd.DataFrame(rows)


class _Convolutions(TorchDispatchMode):
    """Sums up the taps of convolutions that lie on their zero padding: all of them less those that meet an entry."""

    def __init__(self):
        super().__init__()
        self.taps = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            x, weight, transposed = args[0], args[1], args[6]
            met = func(torch.ones_like(x).double(), torch.ones_like(weight).double(), None, *args[3:9])
            self.taps += (x if transposed else out).numel() * weight[0].numel() - int(met.sum())
        return out


@torch.no_grad()
def taps_on_padding(model: nn.Module, *args: Any) -> dict[str, int]:
    """By group, the products of `model(*args)` that meet zero padding: fvcore and torch count them, the ledger not."""
    causal = 0

    def observer(name: str, function: Callable, given: tuple, kwargs: dict) -> Any:
        nonlocal causal
        if name == "causal_conv1d":
            x, kernel = given[0], given[1].shape[-1]
            mask = kwargs.get("valid_mask")
            mask = x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)
            ahead = (0, kernel - 1) if kwargs.get("reverse") else (kernel - 1, 0)
            windows = nn.functional.pad(mask, ahead).unfold(1, kernel, 1)
            causal += x.numel() * kernel - int((windows * mask.unsqueeze(-1)).sum()) * x.shape[-1]
        return function(*given, **kwargs)

    with observe(observer), _Convolutions() as convolutions:
        model(*args)
    return {"conv": convolutions.taps, "causal_conv1d": causal}


NORMS = ("layer_norm", "batch_norm", "group_norm", "instance_norm")


def _sum(counts: dict[str, float], names: tuple[str, ...]) -> float:
    return sum(counts.get(name, 0) for name in names)


class _Called(nn.Module):
    """`model(*args)` as a module without inputs, its outputs flattened: what a trace can take."""

    def __init__(self, model: nn.Module, args: tuple):
        super().__init__()
        self.model, self.args = model, args

    def forward(self) -> tuple[Tensor, ...]:
        return tuple(leaves(self.model(*self.args)))

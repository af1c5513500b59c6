"""Fused recurrent layers and cells: the same counts as the layer written out, gate by gate.

An LSTM's step: input and state times their weights, both biases, their sum; three sigmoids and a tanh; c = f·c + i·g
and h = o·tanh(c). A GRU's: r and z likewise, n = tanh(W x + r · (U h)), h = n + z·(h − n). One entry at a time.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts

SIGMOID = {"exp": 1, "add": 1, "div": 1}
TANH = {"exp": 1, "add": 2, "div": 1}
GATES = {
    "lstm": ({"mul": 3, "add": 4 + 1}, 3, 2),  # gates' sums and c's; sigmoids, tanhs
    "gru": ({"mul": 2, "add": 3 + 2}, 2, 1),
    "rnn_tanh": ({"add": 1}, 0, 1),
    "rnn_relu": ({"add": 1, "compare": 1}, 0, 0),
}
"""cell → what joins its gates for each unit, sigmoids, tanhs"""
MODES = ("rnn_relu", "rnn_tanh", "lstm", "gru")


def joined_gates(cell: str, units: int) -> Counts:
    """Everything of a step but the products, for so many units."""
    made, sigmoids, tanhs = GATES[cell]
    total = dict(made)
    for function, times in ((SIGMOID, sigmoids), (TANH, tanhs)):
        for kind, each in function.items():
            total[kind] = total.get(kind, 0) + each * times
    return counts(**{kind: each * units for kind, each in total.items()})


def layer(call: Call, cell: str, x: Tensor, weights: Sequence[Tensor], hidden: int, directions: int = 1) -> Counts:
    """`weights`: matrices and biases of all layers and directions; spikes of x select weights of the first layer's."""
    rows = x.numel() // x.shape[-1]
    matrices = [w for w in weights if w.dim() == 2]
    macs = rows * sum(w.numel() for w in matrices)
    layers = sum(w.shape[0] % hidden == 0 and w.shape[1] == hidden for w in matrices) or 1
    made = dict(joined_gates(cell, rows * hidden * (len(matrices) // 2 or layers)))
    biases = rows * sum(w.numel() for w in weights if w.dim() == 1)
    add = made.get("add", (0, 0))[0] + biases
    made["add"] = add, add
    if not call.is_spike(x):
        call.dense_in = x.numel()
        return {"mac": (macs, macs), **made}
    entering = matrices[0].shape[0] * directions
    call.spikes_in, call.dense_in = int(x.count_nonzero()), x.numel()
    dense = x.numel() * entering
    return {"ac": (call.spikes_in * entering, dense), "mac": (macs - dense, macs - dense), **made}


def mkldnn_layer(call: Call) -> Counts:
    """mkldnn_rnn_layer(input, w_ih, w_hh, b_ih, b_hh, h, c, reverse, sizes, mode, hidden_size, …): one direction."""
    hidden, biased = call.args[10], call.args[12]
    return layer(call, MODES[call.args[9]], call.args[0], call.args[1 : 5 if biased else 3], hidden)


def cudnn_layer(call: Call) -> Counts:
    """_cudnn_rnn(input, weights, stride, buffer, h, c, mode, hidden_size, …, bidirectional, sizes, state)."""
    directions = 2 if call.args[13] else 1
    return layer(call, MODES[call.args[6]], call.args[0], call.args[1], call.args[7], directions)


def cell(name: str) -> Callable[[Call], Counts]:
    """_thnn_fused_*_cell(input gates, hidden gates, state, b_ih, b_hh): the products are made before it."""

    def rule(call: Call) -> Counts:
        made = dict(joined_gates(name, call.args[2].numel()))
        rows = call.args[2].shape[0]
        add = made["add"][0] + rows * sum(b.numel() for b in call.args[3:5] if isinstance(b, Tensor))
        return {**made, "add": (add, add)}

    return rule


RECURRENT: dict[str, Callable[[Call], Counts]] = {
    "mkldnn_rnn_layer": mkldnn_layer,
    "_cudnn_rnn": cudnn_layer,
    "_thnn_fused_lstm_cell": cell("lstm"),
    "_thnn_fused_gru_cell": cell("gru"),
}

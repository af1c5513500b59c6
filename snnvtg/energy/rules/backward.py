"""Operations that only the backward pass runs, and the backward of leaf operations, by formula.

Backward counts stand apart from forward ones (`phase`): they are the cost of a training step, not of a query.
"""

from collections.abc import Callable, Iterable

from snnvtg.energy.account import Counts, OpRecord
from snnvtg.energy.rules.call import Call, counts
from snnvtg.energy.rules.elementwise import each
from snnvtg.energy.rules.linear import dense_taps


def layer_norm_backward(call: Call) -> Counts:
    """Per entry: normalise again, two weighted sums, combine; gradients of weight and bias."""
    n, rows = call.args[1].numel(), call.args[3].numel()
    return counts(mul=6 * n + 2 * rows, add=7 * n)


def batch_norm_backward(call: Call) -> Counts:
    """As layer_norm_backward, sums over each channel."""
    n, channels = call.args[1].numel(), call.args[1].shape[1]
    return counts(mul=6 * n + 2 * channels, add=7 * n)


def softmax_backward(call: Call) -> Counts:
    """y·(g − Σ g·y) over each row."""
    return counts(mul=2 * call.numel, add=2 * call.numel)


def convolution_backward(call: Call) -> Counts:
    """One more convolution for each of the gradients of input and weight, a sum for that of the bias."""
    grad, x, weight, _, stride, padding, dilation, transposed, _, groups, wanted = call.args[:11]
    macs = dense_taps(x, grad.shape, weight, stride, padding, dilation, transposed, groups)
    return counts(mac=macs * (wanted[0] + wanted[1]), add=grad.numel() if wanted[2] else 0)


def attention_backward(call: Call) -> Counts:
    """Five products of the forward's size: scores again, gradients of v, weights, q and k; the softmax again."""
    q, k, v = call.args[1:4]
    pairs = q.shape[:-1].numel() * k.shape[-2]
    return counts(
        mac=pairs * (3 * q.shape[-1] + 2 * v.shape[-1]), mul=3 * pairs, add=3 * pairs, exp=pairs, compare=pairs
    )


BACKWARD: dict[str, Callable[[Call], Counts]] = {
    "native_layer_norm_backward": layer_norm_backward,
    "native_group_norm_backward": layer_norm_backward,
    "native_batch_norm_backward": batch_norm_backward,
    "_softmax_backward_data": softmax_backward,
    "_log_softmax_backward_data": softmax_backward,
    "convolution_backward": convolution_backward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": attention_backward,
    "_scaled_dot_product_flash_attention_backward": attention_backward,
    "_scaled_dot_product_efficient_attention_backward": attention_backward,
    "threshold_backward": each(select=1),
    "hardtanh_backward": each(compare=2, select=1),
    "leaky_relu_backward": each(compare=1, mul=1),
    "silu_backward": each(exp=1, add=3, div=1, mul=3),
    "sigmoid_backward": each(add=1, mul=2),
    "tanh_backward": each(add=1, mul=2),
    "gelu_backward": each(erf=1, exp=1, add=2, mul=6),
    "elu_backward": each(compare=1, mul=1),
    "softplus_backward": each(exp=1, add=1, div=1, mul=1),
    "log_sigmoid_backward": each(exp=1, add=1, div=1, mul=1),
    "native_dropout_backward": each(select=1, mul=1),
    "max_pool2d_with_indices_backward": lambda call: counts(add=call.args[0].numel()),
    "avg_pool2d_backward": each(mul=1, add=1),
    "_adaptive_avg_pool2d_backward": each(mul=1),
    "embedding_dense_backward": lambda call: counts(add=call.args[0].numel()),
    "hardswish_backward": each(compare=2, mul=2, add=1),
    "hardsigmoid_backward": each(compare=2, mul=1),
    "mish_backward": each(exp=2, add=4, log=1, div=1, mul=4),
    "glu_backward": each(exp=1, add=2, div=1, mul=3),
    "_prelu_kernel_backward": each(compare=1, mul=2),
    "softshrink_backward": each(compare=2, select=1),
    "hardshrink_backward": each(compare=2, select=1),
    "logit_backward": each(div=1, mul=1, add=1),
    "huber_loss_backward": each(add=1, compare=2, mul=2),
    "soft_margin_loss_backward": each(exp=1, add=1, div=1, mul=2),
    "_fused_rms_norm_backward": each(mul=6, add=4),
    "_weight_norm_interface_backward": each(mul=3, add=2),
    **dict.fromkeys(
        """
        max_pool3d_with_indices_backward adaptive_max_pool2d_backward adaptive_max_pool3d_backward
        upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward
        _upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward reflection_pad1d_backward
        reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward replication_pad2d_backward
        replication_pad3d_backward cumprod_backward _embedding_bag_dense_backward
        """.split(),
        lambda call: counts(add=call.args[0].numel()),
    ),
    **dict.fromkeys(["avg_pool3d_backward", "_adaptive_avg_pool3d_backward"], each(mul=1, add=1)),
    **{
        f"upsample_{name}_backward": lambda call, axes=axes: counts(
            mul=2 * axes * call.args[0].numel(), add=2 * axes * call.args[0].numel()
        )
        for name, axes in (("linear1d", 1), ("bilinear2d", 2), ("trilinear3d", 3), ("bicubic2d", 8))
    },
    "smooth_l1_loss_backward": each(add=1, compare=2, mul=2),
    "mse_loss_backward": each(add=1, mul=2),
}
MOVES = frozenset(
    {"select_backward", "slice_backward", "unfold_backward", "diagonal_backward", "masked_select_backward"}
)
"""scatter a gradient into zeros: no arithmetic"""


def leaf_op_backward(forward: Iterable[OpRecord]) -> list[OpRecord]:
    """What a leaf operation's backward does, from the records of its forward; the same whichever backend runs it.

    lif, per neuron and step: the potential again (mul, add, select), the arctangent's derivative (3 mul, 2 add, div),
    the two gradient paths (2 mul, add, select). scan, per position, channel and state: the state again (3 mul, add,
    exp), nine products and six adds for the gradients of state, A, B, C, Δ; per position and channel 5 mul, 3 add.
    encode: each step's gradient added up. Convolution: a MAC a tap for the input's and for the weight's gradient. The
    rest (gate, affine, …): twice.
    """
    return [
        OpRecord(
            f"{record.op}.backward",
            _backward_counts(record),
            module=record.module,
            width=record.width,
            phase="backward",
            num_timesteps=record.num_timesteps,
            outputs=record.outputs,
        )
        for record in forward
    ]


def _backward_counts(record: OpRecord) -> Counts:
    if record.op == "lif":
        n = record.outputs
        return counts(mul=6 * n, add=4 * n, div=n, select=2 * n)
    if record.op == "encode":
        return counts(add=record.outputs)
    if record.op == "selective_scan":
        full, flat = record.counts["exp"][1], record.outputs
        return counts(mul=12 * full + 5 * flat, add=7 * full + 3 * flat, exp=full)
    if record.op == "causal_conv1d":
        return counts(mac=2 * record.counts["mac"][1], add=record.outputs)
    return {kind: (2 * effective, 2 * dense) for kind, (effective, dense) in record.counts.items()}

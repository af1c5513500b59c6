"""Random small networks and an oracle that replays them in float64, counting with masks, by brute force.

A network is a list of steps, drawn from a seed; `Network` runs it with torch's modules in float32, `replay` in float64
with code of its own: a spike tensor is an array and the truth that it is spikes, a product counts the pairs of entries
that meet. All weights and inputs are multiples of 1/8 and leaks 1/2, so float32 and float64 spike alike, bit for bit.
"""

import random
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from snnvtg.neurons import LIF, LIFParameters

T, B = 3, 2
Step = tuple


def eighths(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(-8, 9, shape, generator=generator) / 8


def draw(seed: int) -> list[Step]:
    """Steps on (T, B, F) and (T, B, C, H, W); a value may be saved and joined with a later one of its shape."""
    rng = random.Random(seed)
    steps: list[Step] = []
    shape: tuple[int, ...] = (rng.randint(2, 6),) if rng.random() < 0.5 else (2 * rng.randint(1, 2), 6, 6)
    steps.append(("input", shape, rng.random() < 0.3))
    saved: tuple[int, ...] | None = None
    for _ in range(rng.randint(3, 9)):
        name = rng.choice(VECTOR if len(shape) == 1 else MAPS)
        if name in ("and", "inhibited", "add", "larger", "coincide", "beside") and saved != shape:
            continue
        if name == "linear":
            steps.append((name, shape[0], wide := rng.randint(2, 6), rng.random() < 0.5))
            shape = (wide,)
        elif name == "conv":
            if shape[1] < 3:
                continue
            groups, stride = rng.choice([1, 2]), rng.choice([1, 2])
            out = 2 * rng.randint(1, 2)
            steps.append((name, shape[0], out, groups, stride))
            side = (shape[1] - 3) // stride + 1
            shape = (out, side, side)
        elif name in ("maxpool", "avgpool"):
            if shape[1] % 2:
                continue
            steps.append((name,))
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        elif name == "flatten":
            steps.append((name,))
            shape = (shape[0] * shape[1] * shape[2],)
        elif name == "coincide":
            steps.append((name,))
            shape = (B,)
        elif name == "beside":
            steps.append((name,))
            shape = (2 * shape[0], *shape[1:])
        elif name == "scale":
            steps.append((name, rng.choice([0.5, 2.0, -1.0])))
        else:
            steps.append((name,))
            saved = shape if name == "save" else saved
    steps.append(("flatten",)) if len(shape) == 3 else None
    steps.append(("linear", shape[0] if len(shape) == 1 else shape[0] * shape[1] * shape[2], 3, True))
    return steps


COMMON = "lif lif lif save scale relu mask and inhibited add larger complement move sign beside".split()
VECTOR = [*COMMON, "linear", "linear", "coincide"]
MAPS = [*COMMON, "conv", "conv", "maxpool", "avgpool", "flatten"]
KEPT = torch.tensor([1.0, 0.0])
"""one sample of the two is masked"""


class Network(nn.Module):
    """The steps as torch's modules and operations."""

    def __init__(self, steps: list[Step], seed: int):
        super().__init__()
        self.steps, self.layers = steps, nn.ModuleDict()
        generator = torch.Generator().manual_seed(seed)
        for i, step in enumerate(steps):
            if step[0] == "linear":
                layer = nn.Linear(step[1], step[2], bias=step[3])
            elif step[0] == "conv":
                layer = nn.Conv2d(step[1], step[2], 3, stride=step[4], groups=step[3])
            elif step[0] == "lif":
                layer = LIF(LIFParameters(beta=0.5, v_threshold=0.5))
            else:
                continue
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.copy_(eighths(generator, *parameter.shape))
            self.layers[str(i)] = layer
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        saved = None
        for i, (name, *rest) in enumerate(self.steps):
            if name in ("linear", "lif"):
                x = self.layers[str(i)](x)
            elif name == "conv":
                x = self.layers[str(i)](x.flatten(0, 1)).unflatten(0, (T, B))
            elif name == "save":
                saved = x
            elif name != "input":
                x = OPERATIONS[name](x, saved, *rest)
        return x


def per_sample(x: Tensor) -> Tensor:
    return KEPT.to(x.dtype).view(1, B, *[1] * (x.dim() - 2))


OPERATIONS = {
    "scale": lambda x, _, by: x * by,
    "relu": lambda x, _: torch.relu(x),
    "mask": lambda x, _: x * (per_sample(x) > 0),
    "and": lambda x, saved: x * saved,
    "inhibited": lambda x, saved: (1 - x) * saved,
    "add": lambda x, saved: x + saved,
    "larger": lambda x, saved: torch.maximum(x, saved),
    "complement": lambda x, _: 1 - x,
    "move": lambda x, _: x.transpose(0, 1).contiguous().transpose(0, 1).flip(1),
    "sign": lambda x, _: x.sign(),
    "beside": lambda x, saved: torch.cat([x, saved], 2),
    "coincide": lambda x, saved: x @ saved.mT,
    "maxpool": lambda x, _: nn.functional.max_pool2d(x.flatten(0, 1), 2).unflatten(0, (T, B)),
    "avgpool": lambda x, _: nn.functional.avg_pool2d(x.flatten(0, 1), 2).unflatten(0, (T, B)),
    "flatten": lambda x, _: x.flatten(2),
}


@dataclass
class Value:
    """Entries in float64; `kind`: "spike" (0 or c), "quiet" (c where a spike is missing), "mask", "values"."""

    entries: Tensor
    kind: str = "values"
    c: float = 1.0


@dataclass
class Counted:
    """What the oracle counted."""

    synops: int = 0
    macs: int = 0
    dense: int = 0
    updates: int = 0
    spikes: int = field(default=0)


def replay(network: Network, x: Tensor) -> Counted:
    """Run the steps in float64 and count."""
    counted = Counted()
    value, saved = Value(x.double(), "spike" if network.steps[0][2] else "values"), None
    for i, (name, *rest) in enumerate(network.steps):
        layer = dict(network.layers.items()).get(str(i))
        if name == "save":
            saved = value
        elif name == "linear":
            value = meet_linear(counted, value, layer)
        elif name == "conv":
            value = meet_conv(counted, value, layer)
        elif name == "coincide":
            value = meet_each_other(counted, value, saved)
        elif name == "lif":
            value = spikes_of(counted, value.entries)
        elif name != "input":
            entries = OPERATIONS[name](value.entries, None if saved is None else saved.entries, *rest)
            value = Value(entries, *kind_after(name, value, saved, *rest))
    return counted


def tally(counted: Counted, value: Value, pairs: float, dense: int) -> None:
    counted.dense += dense
    if value.kind == "spike":
        counted.synops += int(pairs)
    else:
        counted.macs += dense


def meet_linear(counted: Counted, value: Value, layer: nn.Linear) -> Value:
    rows = value.entries.reshape(-1, layer.in_features)
    meeting = (rows != 0).double() @ torch.ones(layer.in_features, layer.out_features, dtype=torch.double)
    tally(counted, value, meeting.sum(), rows.shape[0] * layer.in_features * layer.out_features)
    bias = 0 if layer.bias is None else layer.bias.double()
    return Value(value.entries @ layer.weight.double().T + bias)


def meet_conv(counted: Counted, value: Value, layer: nn.Conv2d) -> Value:
    maps, weight = value.entries.flatten(0, 1), layer.weight.double()

    def convolved(entries: Tensor, by: Tensor, bias: Tensor | None = None) -> Tensor:
        return nn.functional.conv2d(entries, by, bias, layer.stride, layer.padding, 1, layer.groups)

    ones = torch.ones_like(weight)
    tally(
        counted, value, convolved((maps != 0).double(), ones).sum(), int(convolved(torch.ones_like(maps), ones).sum())
    )
    return Value(convolved(maps, weight, layer.bias.double()).unflatten(0, (T, B)))


def meet_each_other(counted: Counted, left: Value, right: Value) -> Value:
    a, b = left.entries, right.entries
    dense = T * B * B * a.shape[-1]
    selects = [
        (v.entries != 0) if v.kind == "spike" else torch.ones_like(v.entries, dtype=torch.bool) for v in (left, right)
    ]
    pairs = torch.einsum("tik,tjk->", *(s.double() for s in selects))
    tally(counted, Value(a, "spike" if "spike" in (left.kind, right.kind) else "values"), pairs, dense)
    return Value(a @ b.mT)


def spikes_of(counted: Counted, current: Tensor) -> Value:
    h, out = torch.zeros_like(current[0]), []
    for x in current:
        u = h + x
        s = (u >= 0.5).double()
        h = 0.5 * u * (1 - s)
        out.append(s)
    counted.updates += current.numel()
    spikes = torch.stack(out)
    counted.spikes += int(spikes.sum())
    return Value(spikes, "spike")


def kind_after(name: str, x: Value, saved: Value | None, *rest: float) -> tuple[str, float]:
    """What an operation makes of spikes, as a table of truth: on 0 and c, with 0 and c of another."""
    binary = ("spike", "quiet", "mask")
    if name in ("move", "flatten", "maxpool"):
        return (x.kind, x.c) if name != "maxpool" or x.kind in binary else ("values", 1.0)
    if name == "mask":
        return (x.kind if x.kind == "spike" else "mask", x.c) if x.kind in binary else ("values", 1.0)
    if name in ("scale", "relu", "sign", "complement"):
        return single(name, x, *rest) if x.kind in binary else ("values", 1.0)
    if name == "avgpool" or saved is None or saved.kind not in binary:
        return "values", 1.0
    if name == "inhibited":
        kind, c = single("complement", x) if x.kind in binary else ("values", 1.0)
        x = Value(x.entries, kind, c)
    if x.kind not in binary or name == "add":
        return "values", 1.0
    if name in ("and", "inhibited"):
        both = {x.kind, saved.kind}
        return ("spike" if "spike" in both else "quiet" if both == {"quiet"} else "mask"), x.c * saved.c
    if x.c != saved.c or (name == "beside" and x.kind != saved.kind):
        return "values", 1.0
    return (x.kind if x.kind == saved.kind else "mask"), x.c


def single(name: str, x: Value, by: float = 1.0) -> tuple[str, float]:
    of = {
        "scale": lambda v: v * by,
        "relu": lambda v: max(v, 0.0),
        "sign": lambda v: float((v > 0) - (v < 0)),
        "complement": lambda v: 1 - v,
    }[name]
    if of(0.0) == 0:
        return x.kind, of(x.c)
    if of(x.c) == 0:
        return {"spike": "quiet", "quiet": "spike", "mask": "mask"}[x.kind], of(0.0)
    return "values", 1.0

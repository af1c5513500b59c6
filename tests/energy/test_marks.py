"""Where a mark goes and where it ends: one operation at a time, in both directions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snnvtg.energy import Ledger
from snnvtg.neurons import LIF

CURRENT = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0)) * 2
SOFT = torch.rand(4, 3, 6, generator=torch.Generator().manual_seed(1)) - 0.5


class Two(nn.Module):
    """Two LIF layers, what `join` makes of their spikes s and t, Linear(6, 5) behind it."""

    def __init__(self, join):
        super().__init__()
        self.one, self.two, self.join, self.linear = LIF(), LIF(), join, nn.Linear(6, 5, bias=False)
        self.gain, self.other = nn.Parameter(torch.full((1,), 0.3)), nn.Parameter(torch.full((1,), 0.7))
        self.register_buffer("kept", torch.zeros(4, 3, 6))

    def forward(self, x: Tensor) -> Tensor:
        self.joined = self.join(self, self.one(x), self.two(x.flip(0)))
        return self.linear(self.joined)


def watched(join, mode=torch.no_grad):
    with mode(), Ledger(model := Two(join), strict=True) as ledger:
        model(CURRENT)
    (record,) = (r for r in ledger.records if r.module == "linear" and {"mac", "ac"} & set(r.counts))
    return model, record


def assign(target: Tensor, s: Tensor) -> Tensor:
    for t in range(4):
        target[t] = s[t]
    return target


KEEPS = {
    "and": lambda m, s, t: s * t,
    "and of truth values": lambda m, s, t: (s.bool() & t.bool()).float(),
    "logical and": lambda m, s, t: torch.logical_and(s, t).float(),
    "logical and with values": lambda m, s, t: torch.logical_and(s, SOFT).float(),
    "or": lambda m, s, t: torch.logical_or(s, t).float(),
    "exclusive or": lambda m, s, t: torch.logical_xor(s, t).float(),
    "maximum": lambda m, s, t: torch.maximum(s, t),
    "maximum by max": lambda m, s, t: torch.max(s, t),
    "minimum": lambda m, s, t: torch.minimum(s, t),
    "inhibited and": lambda m, s, t: s * (1 - t),
    "or by complements": lambda m, s, t: 1 - (1 - s) * (1 - t),
    "comparison": lambda m, s, t: (s > 0.5).float(),
    "equality": lambda m, s, t: (s == 1).float(),
    "inequality": lambda m, s, t: (s != 0).float(),
    "different": lambda m, s, t: (s != t).float(),
    "clamp": lambda m, s, t: s.clamp(0, 1),
    "relu6": lambda m, s, t: F.relu6(s),
    "sign": lambda m, s, t: s.sign(),
    "negative": lambda m, s, t: -s,
    "scaled": lambda m, s, t: 3 * s / 2,
    "one-element parameter": lambda m, s, t: s * m.gain,
    "divided by a one-element parameter": lambda m, s, t: s / m.gain,
    "one gain for all steps": lambda m, s, t: torch.stack([m.gain * step for step in s]),
    "square": lambda m, s, t: (2 * s) ** 2,
    "any": lambda m, s, t: torch.stack([s, t]).any(0).float(),
    "mean over one step": lambda m, s, t: torch.cat([step.unsqueeze(0).mean(0, keepdim=True) for step in s]),
    "where": lambda m, s, t: torch.where(s.bool(), 2.0, 0.0),
    "slices into zeros": lambda m, s, t: assign(torch.zeros(4, 3, 6), s),
    "slices into a buffer": lambda m, s, t: assign(m.kept, s),
    "copy into a buffer": lambda m, s, t: m.kept.copy_(s),
    "places set to zero": lambda m, s, t: s.index_put((torch.tensor([0]),), torch.zeros(())),
    "reflected": lambda m, s, t: F.pad(s, (2, 2), mode="reflect")[..., 2:8],
    "replicated": lambda m, s, t: F.pad(s, (2, 2), mode="replicate")[..., 1:7],
    "circular": lambda m, s, t: F.pad(s, (2, 2), mode="circular")[..., 1:7],
    "straight through": lambda m, s, t: (s - SOFT).detach() + SOFT,
    "straight through, added first": lambda m, s, t: (s + SOFT) - SOFT,
    "straight through, zero gradient": lambda m, s, t: s + (SOFT - SOFT.detach()),
    "sorted": lambda m, s, t: s.sort(-1).values,
    "largest": lambda m, s, t: s.topk(6, -1).values,
    "scattered": lambda m, s, t: torch.zeros(4, 3, 6).scatter(0, torch.zeros(4, 3, 6, dtype=torch.long), s),
    "integers": lambda m, s, t: s.int().float(),
    "sparse and back": lambda m, s, t: s.to_sparse().to_dense(),
}
ENDS = {
    "sum": (lambda m, s, t: s + t, "add"),
    "or by sums": (lambda m, s, t: s + t - s * t, "add"),
    "complement": (lambda m, s, t: 1 - s, "1 − spikes"),
    "not": (lambda m, s, t: torch.logical_not(s).float(), "1 − spikes"),
    "no spike": (lambda m, s, t: (s == 0).float(), "1 − spikes"),
    "gain a channel": (lambda m, s, t: s * SOFT[0, 0], "mul"),
    "two gains": (lambda m, s, t: torch.cat([s[:2] * 0.5, s[2:]]), "cat"),
    "two parameters": (lambda m, s, t: torch.cat([s[:2] * m.gain, s[2:] / m.gain]), "cat"),
    "two parameters alike": (lambda m, s, t: torch.cat([s[:2] * m.gain, s[2:] * m.other]), "cat"),
    "ones beside": (lambda m, s, t: torch.cat([s[:2], torch.ones(2, 3, 6)]), "cat"),
    "ones filled in": (lambda m, s, t: s.masked_fill(SOFT > 0, 1.0), "masked_fill"),
    "ones placed": (lambda m, s, t: s.index_put((torch.tensor([0]),), torch.ones(())), "index_put"),
    "ones where": (lambda m, s, t: torch.where(SOFT > 0, 1.0, s), "where"),
    "ones padded": (lambda m, s, t: F.pad(s, (1, 0), value=1.0)[..., :6], "constant_pad_nd"),
    "maximum with a mask": (lambda m, s, t: torch.maximum(s, (SOFT > 0).float()), "maximum"),
    "or with a mask": (lambda m, s, t: torch.logical_or(s, SOFT > 0).float(), "logical_or"),
    "larger of spikes and values": (lambda m, s, t: torch.max(s, SOFT), "max"),
    "clamped from below": (lambda m, s, t: s.clamp(min=0.5), "clamp"),
    "offset": (lambda m, s, t: s + 0.5, "add"),
    "power of zero": (lambda m, s, t: s**0, "pow"),
    "exponential": (lambda m, s, t: s.exp(), "exp"),
    "graded by any": (lambda m, s, t: torch.cat([(0.5 * s[:2]).any(0, keepdim=True).float(), 0.5 * s[1:]]), "cat"),
    "other values taken away": (lambda m, s, t: (s - SOFT).detach() + SOFT.clone(), "sub"),
    "values rewritten in between": (lambda m, s, t: rewritten(s, SOFT.clone()), "sub"),
    "one slice of a difference": (lambda m, s, t: (s - SOFT)[0] + SOFT, "sub"),
    "a buffer that is not whole": (lambda m, s, t: partly(m, s), "copy"),
    "complement of a mask": (lambda m, s, t: 1 - (1 - s) * (SOFT > 0).float(), "mul"),
}


def rewritten(s: Tensor, x: Tensor) -> Tensor:
    hidden = s - x
    x.mul_(2)
    return hidden + x


def partly(model: Two, s: Tensor) -> Tensor:
    model.kept.fill_(1.0)
    model.kept[0] = s[0]
    return model.kept


@pytest.mark.parametrize("name", KEEPS)
def test_what_keeps_spikes_spikes(name):
    model, record = watched(KEEPS[name])
    assert record.counts["ac"] == (int(model.joined.count_nonzero()) * 5, model.joined.numel() * 5)
    assert "one" in record.driven_by.split(", ")
    assert record.dense_since == ""


@pytest.mark.filterwarnings("ignore::snnvtg.energy.LedgerWarning")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ENDS)
def test_where_spikes_end_and_which_operation_ended_them(name, mode):
    join, operation = ENDS[name]
    with mode(), Ledger(model := Two(join)) as ledger:
        model(CURRENT)
    (record,) = (r for r in ledger.records if r.module == "linear" and {"mac", "ac"} & set(r.counts))
    assert record.counts == {"mac": (model.joined.numel() * 5,) * 2}
    assert record.driven_by == ""
    assert record.dense_since.startswith(operation)
    assert "one" in record.dense_since.partition("from ")[2]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("name", ["and", "maximum by max", "straight through", "slices into zeros", "sparse and back"])
def test_marks_do_not_depend_on_the_gradient_mode(name, mode):
    model, record = watched(KEEPS[name], mode)
    assert record.counts["ac"][0] == int(model.joined.count_nonzero()) * 5


def test_straight_through_is_told_apart_by_what_was_added():
    """Alike in module, shapes and origins: (s + x) − x is s for every x, (s + x) − y is for none."""
    other = SOFT.flip(0)
    ends = watched(lambda m, s, t: (s + SOFT) - other)[1]
    assert "mac" in ends.counts
    for soft in (SOFT, other):
        model, record = watched(lambda m, s, t, soft=soft: (s + soft) - soft)
        assert record.counts["ac"][0] == int(model.joined.count_nonzero()) * 5
    assert "mac" in watched(lambda m, s, t: (s + other) - SOFT)[1].counts


def test_spikes_are_counted_again_where_all_else_is_alike():
    """Products and sums of spikes: the record of the first call is not that of the second."""

    class Counts(nn.Module):
        def forward(self, s: Tensor) -> Tensor:
            return torch.bmm(s, s.transpose(1, 2)).sum() + torch.mv(s[0], s[0, 0]).sum() + s.mean()

    few, many = torch.zeros(4, 3, 6), torch.ones(4, 3, 6)
    few[:, 0, 0] = 1
    for spikes, expected in ((few, (4, 1, 4)), (many, (4 * 3 * 3 * 6, 18, 71)), (few, (4, 1, 4))):
        with torch.no_grad(), Ledger(model := Counts()) as ledger:
            model(ledger.mark_spikes(spikes.clone()))
        made = {record.op: record for record in ledger.records}
        found = *(made[f"aten.{op}"].counts["ac"][0] for op in ("bmm", "mv")), made["aten.mean"].counts["add"][0]
        assert found == expected
        assert made["aten.mean"].spikes_in == int(spikes.sum())


def test_both_neurons_are_named():
    assert watched(KEEPS["maximum"])[1].driven_by == "one, two"


def test_a_product_ends_the_history():
    """Linear behind Linear: the spikes in front of the first are no news of the second."""
    with (
        torch.no_grad(),
        Ledger(model := nn.Sequential(LIF(), nn.Linear(6, 6), nn.Linear(6, 5)), strict=True) as ledger,
    ):
        model(CURRENT)
    first, second = (r for r in ledger.records if {"mac", "ac"} & set(r.counts))
    assert (first.driven_by, first.dense_since) == ("0", "")
    assert (second.driven_by, second.dense_since) == ("", "")


def heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (2, 3)).transpose(1, 2)


class Attends(nn.Module):
    """q, k, v of three LIF layers through one call of torch's attention."""

    def __init__(self, call, spiking: str):
        super().__init__()
        self.q, self.k, self.v, self.call, self.spiking = LIF(), LIF(), LIF(), call, spiking

    def forward(self, x: Tensor) -> Tensor:
        made = {name: getattr(self, name)(x.roll(i, 0)) for i, name in enumerate("qkv")}
        q, k, v = ((made[name] if name in self.spiking else x) for name in "qkv")
        return self.call(q, k, v)


PAIRS = 4 * 2 * 3 * 3  # batch, heads, queries × keys
CALLS = {
    "four axes": lambda q, k, v: F.scaled_dot_product_attention(heads(q), heads(k), heads(v)),
    "three axes": lambda q, k, v: F.scaled_dot_product_attention(
        heads(q).flatten(0, 1), heads(k).flatten(0, 1), heads(v).flatten(0, 1)
    ),
    "masked": lambda q, k, v: F.scaled_dot_product_attention(
        heads(q), heads(k), heads(v), torch.ones(3, 3, dtype=torch.bool)
    ),
    "causal": lambda q, k, v: F.scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal=True),
    "written out": lambda q, k, v: (heads(q) @ heads(k).mT).softmax(-1) @ heads(v),
    "einsum": lambda q, k, v: torch.einsum(
        "bhnm,bhme->bhne", torch.einsum("bhnd,bhmd->bhnm", heads(q), heads(k)).softmax(-1), heads(v)
    ),
}


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("spiking", ["qkv", "qk", "v", "q"])
@pytest.mark.parametrize("call", CALLS)
def test_every_shape_of_attention_counts_alike(call, spiking, mode):
    with mode(), Ledger(model := Attends(CALLS[call], spiking)) as ledger:
        model(CURRENT)
    with torch.no_grad():
        q, k, v = (heads(getattr(model, name)(CURRENT.roll(i, 0))) for i, name in enumerate("qkv"))
    scores = {
        "qkv": (q @ k.mT).sum(),
        "qk": (q @ k.mT).sum(),
        "q": q.sum() * 3,
        "v": 0,
    }[spiking]
    values = v.sum() * 3 if "v" in spiking else 0
    assert ledger.totals["synops"] == int(scores) + int(values)
    assert ledger.totals["macs_dense"] == PAIRS * (3 + 3)


def test_shared_heads_count_for_each_query_head():
    q, kv = CURRENT.unflatten(-1, (2, 3)).transpose(1, 2), CURRENT[..., :3].unsqueeze(1)
    with torch.no_grad(), Ledger(nn.Identity(), strict=True) as ledger:
        F.scaled_dot_product_attention(q, kv, kv, enable_gqa=True)
    assert ledger.totals["macs"] == PAIRS * (3 + 3)

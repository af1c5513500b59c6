"""Records add up to what their numbers say, however they are kept."""

import random
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from snnvtg.energy import Account, Ledger, OpRecord, ledger, per_query
from snnvtg.energy.account import KINDS, SUMMED, compact
from snnvtg.neurons import LIF, LIFParameters


def drawn(rng: random.Random) -> OpRecord:
    kinds = rng.sample([*KINDS, "fft", "a kind of one's own"], rng.randint(0, 4))
    return OpRecord(
        rng.choice(["aten.mm", "lif"]),
        {kind: (rng.randint(0, 2**40), rng.randint(0, 2**50)) for kind in kinds},
        module=rng.choice(["", "a", "a.b"]),
        **{name: rng.randint(0, 2**40) for name in SUMMED},
    )


def alike(record: OpRecord) -> tuple:
    told_apart = [f.name for f in fields(record) if f.name not in (*SUMMED, "counts", "shared", "_row")]
    return (*(getattr(record, name) for name in told_apart), *record.counts)


@pytest.mark.parametrize("seed", range(20))
def test_sums_are_those_of_a_loop_in_the_order_of_first_appearance(seed):
    rng = random.Random(seed)
    records = [drawn(rng) for _ in range(30)]
    records = rng.choices([*records, *(replace(r, spikes_in=7) for r in records)], k=120)
    expected: dict[tuple, OpRecord] = {}
    for record in records:
        if alike(record) not in expected:
            expected[alike(record)] = replace(record, counts=dict(record.counts))
            continue
        into = expected[alike(record)]
        for name in SUMMED:
            setattr(into, name, getattr(into, name) + getattr(record, name))
        for kind, (effective, dense) in record.counts.items():
            into.counts[kind] = into.counts[kind][0] + effective, into.counts[kind][1] + dense
    assert compact(records) == list(expected.values())
    assert compact([*compact(records[:50]), *records[50:]]) == list(expected.values())
    assert Account(compact(records)).totals == Account(records).totals


def test_expected_counts_may_be_fractions():
    account = Account([OpRecord("aten.mm", {"ac": (2.5, 10)}), OpRecord("lif", {"mul": (3, 3)}, outputs=3)])
    assert (account.totals["synops"], account.totals["neuron_mul"]) == (2.5, 3)
    assert compact(account.records * 2)[0].counts == {"ac": (5, 20)}


def test_a_changed_copy_of_a_record_that_was_added_up_counts_anew():
    record = OpRecord("aten.mm", {"mac": (2, 2)})
    assert Account([record]).totals["macs"] == 2
    assert Account([replace(record, counts={"mac": (5, 5)})]).totals["macs"] == 5


def test_what_is_kept_does_not_grow_with_the_number_of_batches(monkeypatch):
    monkeypatch.setattr(ledger, "KEPT_APART", 20)
    monkeypatch.setattr(per_query, "MOST_APART", 20)
    network, x = nn.Sequential(nn.Linear(6, 4), LIF(LIFParameters()), nn.Linear(4, 3)), torch.rand(4, 2, 6)
    kept = []

    class Watched(per_query.QueryAccounts):
        def take(self, account: Account) -> None:
            super().take(account)
            kept.append(len(self._records))

    monkeypatch.setattr(ledger, "QueryAccounts", Watched)
    with torch.no_grad():
        found = Ledger.per_query(network, [x] * 100)
        with Ledger(network) as whole:
            whole._limit = 20
            for _ in range(100):
                network(x)
                kept.append(len(whole.records))
    assert max(kept) <= 30
    assert found.totals == whole.totals
    assert found.totals["neuron_updates"] == 100 * 4 * 2 * 4

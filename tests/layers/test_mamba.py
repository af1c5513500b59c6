"""The Mamba block: mamba_ssm's names and shapes, the block worked out apart, and streaming."""

import importlib
import importlib.util
import sys
import types

import pytest
import torch
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.layers.mamba import Mamba, MambaConfig
from snnvtg.scan import available_backends


def shapes_of_mamba_ssm(d_model, d_state=16, d_conv=4, expand=2):
    """Parameters of mamba_ssm.Mamba 2.3 as its modules/mamba_simple.py makes them."""
    inner, rank = expand * d_model, -(-d_model // 16)
    return {
        "A_log": (inner, d_state),
        "D": (inner,),
        "in_proj.weight": (2 * inner, d_model),
        "conv1d.weight": (inner, 1, d_conv),
        "conv1d.bias": (inner,),
        "x_proj.weight": (rank + 2 * d_state, inner),
        "dt_proj.weight": (inner, rank),
        "dt_proj.bias": (inner,),
        "out_proj.weight": (d_model, inner),
    }


def block_written_out(weights, x):
    """Fig. 3 and Alg. 2 of Mamba with torch's own convolution and a loop, on a state dict of mamba_ssm's names."""
    w = {name: tensor.double() for name, tensor in weights.items()}
    x, z = F.linear(x, w["in_proj.weight"]).chunk(2, -1)
    length, width = x.shape[1], w["conv1d.weight"].shape[-1]
    x = F.conv1d(x.transpose(1, 2), w["conv1d.weight"], w["conv1d.bias"], padding=width - 1, groups=x.shape[2])
    x = F.silu(x[..., :length].transpose(1, 2))
    states, rank = w["A_log"].shape[1], w["dt_proj.weight"].shape[1]
    low, B, C = F.linear(x, w["x_proj.weight"]).split([rank, states, states], -1)
    delta = F.softplus(F.linear(low, w["dt_proj.weight"], w["dt_proj.bias"]))
    h, ys = torch.zeros(x.shape[0], *w["A_log"].shape, dtype=torch.float64), []
    for t in range(length):
        step = delta[:, t, :, None]
        h = torch.exp(step * -torch.exp(w["A_log"])) * h + step * B[:, t, None] * x[:, t, :, None]
        ys.append((h * C[:, t, None]).sum(-1) + w["D"] * x[:, t])
    return F.linear(torch.stack(ys, 1) * F.silu(z), w["out_proj.weight"])


@pytest.mark.parametrize("d_model", [16, 24, 256])
def test_the_state_dict_has_mamba_ssms_names_and_shapes(d_model):
    ours = {name: tuple(tensor.shape) for name, tensor in Mamba(MambaConfig(d_model)).state_dict().items()}
    assert ours == shapes_of_mamba_ssm(d_model)


class Documented(torch.nn.Module):
    """Stands for mamba_ssm.Mamba: its parameters in its order, by their documented names and shapes, nothing else."""

    def __init__(self, d_model):
        super().__init__()
        for name, shape in shapes_of_mamba_ssm(d_model).items():
            *owners, last = name.split(".")
            owner = self
            for part in owners:
                if not hasattr(owner, part):
                    owner.add_module(part, torch.nn.Module())
                owner = getattr(owner, part)
            owner.register_parameter(last, torch.nn.Parameter(torch.randn(shape) / shape[-1] ** 0.5))


@pytest.mark.parametrize("d_model", [16, 24, 256])
def test_a_checkpoint_of_the_documented_shapes_moves_in_both_directions(d_model):
    torch.manual_seed(0)
    theirs, ours, x = Documented(d_model), Mamba(MambaConfig(d_model)), torch.randn(2, 9, d_model)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    torch.testing.assert_close(
        ours(x).double(), block_written_out(theirs.state_dict(), x.double()), rtol=1e-3, atol=1e-3
    )
    back = Documented(d_model)
    back.load_state_dict(Mamba(MambaConfig(d_model)).state_dict(), strict=True)
    back.load_state_dict(ours.state_dict(), strict=True)
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in back.state_dict().items())
    with pytest.raises(RuntimeError, match="size mismatch"):
        Mamba(MambaConfig(d_model, d_state=8)).load_state_dict(theirs.state_dict())


def their_block():
    """mamba_ssm.Mamba and its loop in torch, without its CUDA kernels; skips the test where it cannot be imported."""
    spec = importlib.util.find_spec("mamba_ssm")
    if spec is None or importlib.util.find_spec("triton") is None:
        pytest.skip("mamba_ssm and triton are needed to load its own block")
    missing = [name for name in ("selective_scan_cuda",) if importlib.util.find_spec(name) is None]
    stand_ins = {name: types.ModuleType(name) for name in (*missing, "mamba_ssm")}
    # without its __init__, which imports what the first Mamba does not need
    stand_ins["mamba_ssm"].__path__ = list(spec.submodule_search_locations)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins.items():
            patch.setitem(sys.modules, name, module)
        block = importlib.import_module("mamba_ssm.modules.mamba_simple")
        loop = importlib.import_module("mamba_ssm.ops.selective_scan_interface").selective_scan_ref
        for name in [name for name in sys.modules if name.startswith("mamba_ssm.")]:
            patch.delitem(sys.modules, name)
    return block, loop


@pytest.mark.parametrize("d_model", [16, 24, 256])
def test_a_checkpoint_moves_between_mamba_ssms_own_block_and_this_one_without_a_gpu(d_model, monkeypatch):
    module, loop = their_block()
    monkeypatch.setattr(module, "selective_scan_fn", loop)
    monkeypatch.setattr(module, "causal_conv1d_fn", None)
    torch.manual_seed(0)
    theirs, ours = module.Mamba(d_model, use_fast_path=False), Mamba(MambaConfig(d_model))
    x = torch.randn(2, 33, d_model)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    torch.testing.assert_close(ours(x), theirs(x))
    fresh = Mamba(MambaConfig(d_model))
    theirs.load_state_dict(fresh.state_dict(), strict=True)
    torch.testing.assert_close(fresh(x), theirs(x))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_checkpoint_moves_between_mamba_ssm_and_this_block_and_back():
    module, _ = their_block()
    theirs, ours = module.Mamba(64).cuda(), Mamba(MambaConfig(64)).cuda()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 33, 64, device="cuda")
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-3, atol=1e-4)
    theirs.load_state_dict(ours.state_dict(), strict=True)


@pytest.mark.parametrize("backend", [name for name, why in available_backends().items() if not why])
def test_the_block_computes_what_its_equations_say(backend):
    torch.manual_seed(0)
    block = Mamba(MambaConfig(24, d_state=5, d_conv=3), backend).double()
    x = torch.randn(2, 13, 24, dtype=torch.float64)
    torch.testing.assert_close(block(x), block_written_out(block.state_dict(), x))


def test_steps_of_delta_start_within_the_range_asked_for():
    config = MambaConfig(64, delta_range=(1e-3, 1e-1))
    step = F.softplus(Mamba(config).dt_proj.bias)
    assert 1e-3 * 0.999 <= step.min() <= step.max() <= 1e-1 * 1.001


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("d_conv", [1, 4])
def test_streaming_one_position_at_a_time_equals_the_whole_sequence(backend, d_conv):
    torch.manual_seed(1)
    block = Mamba(MambaConfig(16, d_conv=d_conv), backend).double().eval()
    x = torch.randn(3, 21, 16, dtype=torch.float64)
    state, outputs = block.initial_state(3), []
    with torch.no_grad():
        for position in x.unbind(1):
            y, state = block.step(position, state)
            outputs.append(y)
        torch.testing.assert_close(torch.stack(outputs, 1), block(x))


def test_a_stream_does_not_change_the_state_it_was_given():
    block = Mamba(MambaConfig(16))
    state = block.initial_state(2)
    block.step(torch.randn(2, 16), state)
    assert all(tensor.abs().max() == 0 for tensor in state)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_stream_goes_on_from_a_prompt_read_at_once_whatever_its_padding(backend):
    torch.manual_seed(2)
    block = Mamba(MambaConfig(16), backend).double().eval()
    x, lengths = torch.randn(3, 12, 16, dtype=torch.float64), (9, 2, 6)
    mask = torch.arange(9)[None] < torch.tensor(lengths)[:, None]
    prompt = torch.where(mask[..., None], x[:, :9], 50.0)
    y, state = block(prompt, mask, return_state=True)
    following, after = block.step(x[:, 9], state)
    rest, _ = block(x[:, 9:], state=state, return_state=True)
    for row, length in enumerate(lengths):
        whole = block(torch.cat([x[row, :length], x[row, 9:]])[None])[0]
        torch.testing.assert_close(y[row, :length], whole[:length])
        torch.testing.assert_close(following[row], whole[length])
        torch.testing.assert_close(rest[row], whole[length:])
    torch.testing.assert_close(block.step(x[:, 10], after)[0], rest[:, 1])


def test_sequences_packed_into_one_row_do_not_see_one_another():
    block = Mamba(MambaConfig(16)).double()
    x, lengths = torch.randn(2, 20, 16, dtype=torch.float64), (3, 1, 16)
    seq_idx = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths)).expand(2, -1)
    for reverse in (False, True):
        apart = torch.cat([block(part, reverse=reverse) for part in x.split(lengths, 1)], 1)
        torch.testing.assert_close(block(x, seq_idx=seq_idx, reverse=reverse), apart)


def test_padding_does_not_reach_the_valid_positions():
    block = Mamba(MambaConfig(16)).double()
    x = torch.randn(2, 12, 16, dtype=torch.float64)
    mask = torch.arange(12)[None] < torch.tensor([[12], [7]])
    changed = torch.where(mask[..., None], x, 100.0)
    for reverse in (False, True):
        torch.testing.assert_close(block(changed, mask, reverse=reverse)[mask], block(x, mask, reverse=reverse)[mask])
        alone = block(x[1:, :7], reverse=reverse)
        torch.testing.assert_close(block(x, mask, reverse=reverse)[1:, :7], alone)


def test_reverse_reads_the_sequence_from_its_end():
    block = Mamba(MambaConfig(16)).double()
    x = torch.randn(2, 12, 16, dtype=torch.float64)
    torch.testing.assert_close(block(x, reverse=True), block(x.flip(1)).flip(1))


def test_every_parameter_learns():
    block = Mamba(MambaConfig(16))
    block(torch.randn(2, 9, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters())


@pytest.mark.parametrize("name", ["d_model", "d_state", "d_conv", "expand", "dt_rank"])
def test_a_size_below_one_is_refused_by_name(name):
    with pytest.raises(InputError, match=rf"{name}: expected at least 1.*got 0"):
        MambaConfig(**{"d_model": 16, name: 0})

"""The one mechanism for interchangeable implementations, on operations made up for it."""

import subprocess
import sys
import textwrap

import pytest
import torch

from snnvtg import backends
from snnvtg.backends import Backend, Operation, only_on
from snnvtg.errors import BackendError, InputError


@pytest.fixture
def doubling(monkeypatch):
    """An operation with a plain backend, and one that this machine lacks something for."""
    monkeypatch.setattr(backends, "_operations", {})
    backends.forget()
    looked = []

    def lacking(device_type):
        looked.append(device_type)
        return ["no compiler", "no luck"]

    plain = Backend("torch", lambda x: 2 * x)
    fast = Backend("fast", lambda x: 2 * x, "Install luck.", lacking)
    small = Backend("small", lambda x: 2 * x, refuses=lambda x: [f"{x} is large"] if x > 9 else [])
    operation = Operation("doubling", (plain, fast, small), {"cpu": ("fast", "small", "torch")})
    operation.looked = looked
    yield operation
    backends.forget()


def test_a_backend_asked_for_runs_or_lists_every_reason_and_the_remedy(doubling):
    assert doubling.choose("small", "cpu", 4).run(4) == 8
    with pytest.raises(BackendError, match=r"'fast' cannot run: no compiler; no luck. Install luck."):
        doubling.choose("fast", "cpu", 4)
    with pytest.raises(BackendError, match="10 is large"):
        doubling.choose("small", "cpu", 10)


def test_auto_passes_over_aloud_and_once(doubling):
    with pytest.warns(UserWarning, match="doubling backend auto: 'small' on cpu, because fast: no compiler, no luck"):
        assert doubling.choose("auto", "cpu", 1).name == "small"
    with pytest.warns(UserWarning, match="'torch' on cpu, because fast.*; small: 10 is large"):
        assert doubling.choose("auto", "cpu", 10).name == "torch"
    assert doubling.choose("auto", "cpu", 1).name == "small"
    assert doubling.choose("auto", "xpu", 1).name == "torch"


def test_what_a_machine_lacks_is_looked_for_once_per_device_until_told_to_forget(doubling):
    for _ in range(3):
        assert doubling.available("cpu")["fast"] == ["no compiler", "no luck"]
    assert doubling.looked == ["cpu"]
    backends.forget()
    assert doubling.why_not("fast", "cpu") and doubling.looked == ["cpu", "cpu"]


def test_a_registered_backend_is_tried_first_where_it_is_preferred(doubling):
    mine = doubling.register(Backend("mine", lambda x: x + x, missing=only_on("cuda")), preferred_on=["cuda"])
    assert doubling.choose("auto", "cuda", 3) is mine
    assert doubling.available("cpu")["mine"] == ["it needs cuda tensors, these are on cpu"]
    with pytest.raises(InputError, match="'mine': the name is taken"):
        doubling.register(Backend("mine", lambda x: 0))
    with pytest.raises(InputError, match="'auto': the name is taken"):
        doubling.register(Backend("auto", lambda x: 0))
    with pytest.raises(InputError, match=r"expected a snnvtg\.backends\.Backend"):
        doubling.register("mine")


def test_a_backend_itself_may_be_asked_for(doubling):
    mine = Backend("mine", lambda x: x + x, refuses=lambda x: ["never"] if x == 1 else [])
    assert doubling.choose(mine, "cpu", 2) is mine
    with pytest.raises(BackendError, match="never"):
        doubling.choose(mine, "cpu", 1)


MINE = """
    from snnvtg.neurons.backends import LIF_OPERATION
    from snnvtg.neurons.backends.base import Backend
    from snnvtg.neurons.backends.reference import REFERENCE
    from snnvtg.scan import CAUSAL_CONV1D, SELECTIVE_SCAN
    import snnvtg.backends

    asked = []

    def noting(operation, name):
        def run(*call):
            asked.append(operation.name)
            return operation.backends["reference"].run(*call)
        return run

    for operation in (SELECTIVE_SCAN, CAUSAL_CONV1D):
        operation.register(snnvtg.backends.Backend("mine", noting(operation, "mine")))
    UNREGISTERED = Backend("unregistered", noting(LIF_OPERATION, "x"))
    LIF_OPERATION.register(Backend("mine", noting(LIF_OPERATION, "mine")), preferred_on=["cpu"])
"""
USE = """
    import torch, my_backends
    from snnvtg.neurons import LIF
    from snnvtg.scan import causal_conv1d, selective_scan
    x = torch.randn(2, 3, 4)
    assert LIF().active_backend == "mine"
    LIF()(x)
    LIF(backend="my_backends:UNREGISTERED")(x)
    selective_scan(x, x, -torch.ones(4, 2), x[..., :2], x[..., :2], backend="mine")
    causal_conv1d(x, torch.ones(4, 2), backend="mine")
    print(*my_backends.asked)
"""


def test_a_users_backends_are_one_file_outside_the_package(tmp_path):
    (tmp_path / "my_backends.py").write_text(textwrap.dedent(MINE))
    (tmp_path / "use.py").write_text(textwrap.dedent(USE))
    done = subprocess.run([sys.executable, str(tmp_path / "use.py")], capture_output=True, text=True)
    assert done.stdout.split() == ["LIF", "LIF", "selective_scan", "causal_conv1d"], done.stderr


def test_a_name_may_say_where_a_backend_is_and_what_is_there_is_checked(doubling, tmp_path):
    file = tmp_path / "found_there.py"
    file.write_text("from snnvtg.backends import Backend\nBACKEND, NUMBER = Backend('there', lambda x: 2 * x), 3\n")
    assert doubling.choose(f"{file}:BACKEND", "cpu", 4).run(4) == 8
    for name, told in {
        f"{file}:NUMBER": "expected a",
        f"{file}:NOTHING": "has no 'NOTHING'",
        "no": "known: auto, torch",
    }.items():
        with pytest.raises(InputError, match=told):
            doubling.named(name)


def test_choosing_is_a_constant_to_torch_compile(doubling):
    def double(x):
        return doubling.choose("auto", x.device.type, 1).run(x)

    with pytest.warns(UserWarning, match="'small'"):
        torch.testing.assert_close(
            torch.compile(double, fullgraph=True, backend="eager")(torch.ones(3)), 2 * torch.ones(3)
        )

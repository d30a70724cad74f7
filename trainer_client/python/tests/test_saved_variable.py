"""Earlier versions of torch tell what nodes keep only by unpacking it. The same is read in either way."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.utils.checkpoint import checkpoint

import hf_models
from greenplan._autograd.graph_walk import walk_graph
from greenplan._autograd.saved_variable import StoppedHook, _read_by_unpacking, read_saved

knows_raw_data = pytest.mark.skipif(read_saved is _read_by_unpacking, reason="torch does not show what is kept")


def saved_in(loss: torch.Tensor, read) -> list[tuple[str, str, int, object]]:
    """What each attribute of each node keeps: the address of a storage, or that a hook packed it away."""
    found = []
    graph = walk_graph(loss.grad_fn)
    for node, kind in zip(graph.nodes, graph.kinds, strict=True):
        for attribute, _ in kind.saves:
            kept = read(node, attribute)
            for one in kept if isinstance(kept, tuple) else (kept,):
                data = None if one is None else one.data
                if isinstance(data, torch.Tensor):
                    data = data.untyped_storage()._cdata
                elif data is not None:
                    data = "packed"
                found.append((kind.name, attribute, id(node), data))
    return found


@knows_raw_data
@pytest.mark.parametrize("family", ["llama", "gpt2", "t5", "vit", "mixtral", "bloom"])
@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_unpacking_reads_what_torch_shows(family, is_checkpointed):
    model = hf_models.build(family, "eager" if family == "bloom" else "sdpa")
    if is_checkpointed:
        hf_models.checkpoint_activations(model.model)
    loss = model.loss()
    found = saved_in(loss, read_saved)
    assert saved_in(loss, _read_by_unpacking) == found
    assert is_checkpointed == any(data == "packed" for *_, data in found)


def test_a_function_that_unpacks_is_stopped_before_its_first_line():
    calls = []
    weight = torch.nn.Parameter(torch.randn(4, 4))

    def function(x):
        calls.append("function")
        return (x @ weight).exp()

    result = checkpoint(function, torch.randn(2, 4, requires_grad=True), use_reentrant=False)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: function(tensor)):
        other = weight.exp()
    saved = _read_by_unpacking(result.grad_fn, "_raw_saved_result")
    assert calls == ["function"]
    assert isinstance(saved.unpack_hook, StoppedHook)
    assert "frame" in saved.unpack_hook.captured
    inner = result.grad_fn.next_functions[0][0]
    assert _read_by_unpacking(inner, "_raw_saved_self").unpack_hook == saved.unpack_hook
    assert _read_by_unpacking(other.grad_fn, "_raw_saved_result").unpack_hook != saved.unpack_hook
    result.sum().backward()
    assert calls == ["function", "function"]


def test_what_was_freed_is_nothing():
    weight = torch.nn.Parameter(torch.randn(4))
    result = weight.exp()
    result.sum().backward()
    assert _read_by_unpacking(result.grad_fn, "_raw_saved_result").data is None


def test_a_profiler_of_somebody_else_goes_on():
    def profiler(frame, event, arg):
        return None

    weight = torch.nn.Parameter(torch.randn(4))
    sys.setprofile(profiler)
    try:
        _read_by_unpacking(weight.exp().grad_fn, "_raw_saved_result")
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)

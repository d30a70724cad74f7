from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import greenplan
from flops import count, executed_backward_flops, random_masks
from greenplan._autograd.free_ops import FREE_OPS
from greenplan._merging import merged

REPOSITORY = Path(__file__).parents[3]


def parameter(*shape: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.randn(shape))


class Doubled(torch.autograd.Function):
    """A product with a constant that torch cannot see."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def test_importing_greenplan_imports_no_torch():
    code = "import greenplan, sys; assert 'torch' not in sys.modules; greenplan.Profile"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(REPOSITORY / "trainer_client/python/src")}
    )


def test_free_ops_are_those_of_the_cpp_profiler():
    source = (REPOSITORY / "profiler/autograd/free_ops.cc").read_text()
    table = re.sub(r"//.*", "", source[source.index("kFreeOps[]") : source.index("};")])
    assert set(re.findall(r'"(\w+)"', table)) == FREE_OPS


def test_a_tied_tensor_hangs_on_an_op_of_its_own_that_every_use_feeds():
    embedding, tokens = parameter(11, 5), torch.randint(11, (3,))
    loss = F.linear(F.embedding(tokens, embedding), embedding).sum()
    profile = greenplan.profile(loss, [("wte", embedding), ("lm_head", embedding)])
    assert profile.names == ("wte",)
    tensor = profile.tensors[0]
    assert tensor.weight_grad_cost == 0
    assert profile.ops[tensor.op].cost == 0 and not profile.ops[tensor.op].inputs
    assert profile.cost(["wte"]).backward_cost == 2 * (2 * 3 * 5 * 11)


def test_an_untied_tensor_carries_its_weight_gradient():
    weight, bias, unused = parameter(7, 5), parameter(7), parameter(2)
    loss = F.linear(torch.randn(3, 5), weight, bias).sum()
    profile = greenplan.profile(loss, {"weight": weight, "bias": bias, "unused": unused}.items(), model="tiny")
    assert [tensor.weight_grad_cost for tensor in profile.tensors] == [2 * 3 * 5 * 7, 0, 0]
    assert profile.tensors[2].op is None
    assert profile.shapes == {"weight": (7, 5), "bias": (7,), "unused": (2,)}
    assert profile.trainable_names == ("weight", "bias")
    assert profile.forward_cost == 2 * 3 * 5 * 7
    assert profile.model == "tiny"


def test_fused_attention_is_one_op_of_five_products():
    tensors = {"query": parameter(1, 2, 3, 8), "key": parameter(1, 2, 5, 8), "value": parameter(1, 2, 5, 8)}
    loss = F.scaled_dot_product_attention(*tensors.values()).sum()
    profile = greenplan.profile(loss, tensors.items())
    for name in tensors:
        assert profile.cost([name]).backward_cost == 5 * (2 * 2 * 3 * 5 * 8)


@pytest.mark.parametrize("trained", ["query", "key", "value"])
def test_fused_attention_with_frozen_operands(trained):
    tensors = {"query": torch.randn(1, 2, 3, 8), "key": torch.randn(1, 2, 5, 8), "value": torch.randn(1, 2, 5, 8)}
    tensors[trained].requires_grad_()
    profile = greenplan.profile(F.scaled_dot_product_attention(*tensors.values()).sum(), [(trained, tensors[trained])])
    assert profile.cost([trained]).backward_cost == 5 * (2 * 2 * 3 * 5 * 8)


def test_frozen_tensors_are_listed_without_op_and_cost_nothing():
    first, second = parameter(7, 5), parameter(2, 7)
    loss = F.linear(F.linear(torch.randn(3, 5), first), second).sum()
    named = {"first": first, "second": second}
    profile = greenplan.profile(loss, named.items(), frozen=["first"])
    assert profile.trainable_names == ("second",)
    assert profile.cost(named).backward_cost == 2 * 3 * 7 * 2
    assert profile.forward_cost == 2 * 3 * (5 * 7 + 7 * 2)


def test_work_that_no_plan_avoids_is_refused_or_charged_always():
    weight, given = parameter(5, 7), torch.randn(3, 7, requires_grad=True)
    loss = F.linear(given, weight).sum()
    with pytest.raises(
        ValueError, match=re.escape("shape [3, 7] that requires grad and is not among named_parameters")
    ):
        greenplan.profile(loss, [("weight", weight)])
    profile = greenplan.profile(loss, [("weight", weight)], other_leaves="always")
    assert profile.cost(["weight"]).backward_cost == 2 * (2 * 3 * 5 * 7)
    weight.requires_grad_(False)
    assert profile.cost([]).backward_cost == count(F.linear(given, weight).sum().backward) == 2 * 3 * 5 * 7
    assert profile.cost([]).saved_bytes == 0  # The weight is there anyway.


def test_work_that_no_plan_avoids_is_charged_for_each_of_several_losses():
    first, second, given = parameter(5, 7), parameter(2, 7), torch.randn(3, 7, requires_grad=True)
    named = [("first", first), ("second", second)]

    def losses():
        return F.linear(given, first).exp().sum(), (F.linear(given, second) @ second).exp().sum()

    parts = [greenplan.profile(loss, named, other_leaves="always").data for loss in losses()]
    profile = greenplan.Profile(merged(*parts))
    for mask in ([], ["first"], ["second"], ["first", "second"]):
        for name, one in named:
            one.requires_grad_(name in mask)
        assert profile.cost(mask).backward_cost == sum(count(loss.backward) for loss in losses()), mask


def refused(loss, named, field="loss"):
    with pytest.raises(ValueError) as raised:
        greenplan.profile(loss, named.items() if isinstance(named, dict) else named)
    assert raised.value.code == "INVALID_ARGUMENT"
    assert raised.value.field == field
    return str(raised.value)


def test_refuses_a_loss_without_a_graph():
    weight = parameter(3)
    assert "does not require grad" in refused(torch.randn(3).sum(), {"weight": weight})
    assert "leaf tensor" in refused(weight, {"weight": weight})
    assert "loss is float" in refused(1.0, {"weight": weight})
    loss = weight.exp().sum()
    loss.backward()
    assert "differentiated already" in refused(loss, {"weight": weight})


def test_refuses_a_cached_loss_with_what_to_do():
    """As those of sentence-transformers, whose hook runs forward again and differentiates by itself."""
    weight = parameter(3)
    loss = weight.exp().sum().detach().requires_grad_()
    loss.register_hook(lambda gradient: weight.exp().sum().backward(gradient))
    assert "use the loss without a cache" in refused(loss, {"weight": weight})


def test_refuses_a_loss_that_reaches_no_parameter():
    weight = parameter(3)
    with pytest.raises(ValueError, match="depends on none of the parameters"):
        greenplan.profile(weight.exp().sum(), [("weight", weight)], frozen=["weight"])


def test_refuses_parameters_that_are_no_leaves_or_listed_twice():
    weight = parameter(3)
    doubled = weight * 2
    assert '"doubled" is no leaf tensor' in refused(doubled.sum(), {"doubled": doubled}, "named_parameters")
    twice = [("weight", weight), ("weight", parameter(3))]
    assert '"weight" twice' in refused(doubled.sum(), twice, "named_parameters")


def test_refuses_an_unknown_name_with_the_nearest_one():
    weight = parameter(3)
    with pytest.raises(ValueError, match='frozen is "wieght".*did you mean "weight"'):
        greenplan.profile(weight.exp().sum(), [("weight", weight)], frozen=["wieght"])


def test_refuses_costs_beyond_the_limit():
    left = torch.empty(2**22, 2**20, device="meta", requires_grad=True)
    right = torch.empty(2**20, 2**20, device="meta", requires_grad=True)
    assert "2^62" in refused((left @ right).sum(), {"left": left, "right": right})


def product_into_a_view(weight: torch.Tensor) -> torch.Tensor:
    target = torch.zeros(2, 3, 3)
    target.select(0, 1).addmm_(weight, weight)
    return target.sum()


@pytest.mark.parametrize(
    "make_loss, name",
    [
        (lambda weight: Doubled.apply(weight).sum(), "DoubledBackward"),
        (lambda weight: torch.linalg.matrix_exp(weight).sum(), "LinalgMatrixExpBackward0"),
        (product_into_a_view, "CopySlices"),
    ],
)
def test_refuses_by_name_what_may_hide_products(make_loss, name):
    weight = parameter(3, 3)
    with pytest.raises(greenplan.Error, match=name) as raised:
        greenplan.profile(make_loss(weight), [("weight", weight)])
    assert raised.value.code == "UNIMPLEMENTED"
    assert not isinstance(raised.value, ValueError)


def test_refuses_a_fused_lstm_with_what_to_do():
    lstm, x = torch.nn.LSTM(3, 4), torch.randn(5, 2, 3)
    with pytest.raises(greenplan.Error, match=r"MkldnnRnnLayerBackward0.*torch.backends.mkldnn.enabled = False"):
        greenplan.profile(lstm(x)[0].sum(), lstm.named_parameters())
    with torch.backends.mkldnn.flags(enabled=False):
        profile = greenplan.profile(lstm(x)[0].sum(), lstm.named_parameters())
        for mask in random_masks(list(profile.names), 6):
            executed = executed_backward_flops(dict(lstm.named_parameters()), mask, lambda: lstm(x)[0].sum())
            assert profile.cost(mask).backward_cost == executed, mask


def test_refuses_a_compiled_graph_by_name_with_what_to_do():
    from greenplan._autograd.rules import rule_of

    with pytest.raises(greenplan.Error, match="before it is compiled"):
        rule_of("CompiledFunctionBackward", object())


def test_register_cost_teaches_a_custom_function():
    def cost(shapes: greenplan.NodeShapes) -> greenplan.NodeCost:
        assert shapes.output() == shapes.operand(0) == (3, 3)
        return greenplan.NodeCost(forward=math.prod(shapes.output()), op=5, per_input=(7,))

    weight = parameter(3, 3)
    greenplan.register_cost("DoubledBackward", cost)
    try:
        profile = greenplan.profile(Doubled.apply(weight).sum(), [("weight", weight)])
    finally:
        greenplan.register_cost("DoubledBackward", None)
    assert (profile.forward_cost, profile.cost(["weight"]).backward_cost) == (9, 12)
    with pytest.raises(greenplan.Error, match="register_cost"):
        greenplan.profile(Doubled.apply(weight).sum(), [("weight", weight)])


@pytest.mark.parametrize("answer", [3, greenplan.NodeCost(op=-1), greenplan.NodeCost(per_input=(1.5,))])
def test_register_cost_refuses_answers_that_are_no_costs(answer):
    weight = parameter(3, 3)
    greenplan.register_cost("DoubledBackward", lambda shapes: answer)
    try:
        with pytest.raises(ValueError, match="the cost registered for DoubledBackward"):
            greenplan.profile(Doubled.apply(weight).sum(), [("weight", weight)])
    finally:
        greenplan.register_cost("DoubledBackward", None)


@pytest.mark.parametrize("name", ["MmBackward0", "AddBackward0", "", 3])
def test_register_cost_refuses_names_that_have_a_rule(name):
    with pytest.raises(ValueError, match="name is"):
        greenplan.register_cost(name, lambda shapes: greenplan.NodeCost())
    with pytest.raises(ValueError, match="cost is 3"):
        greenplan.register_cost("DoubledBackward", 3)


def test_an_operand_whose_shape_is_hidden_is_refused():
    weight, image = parameter(3, 2, 2, 2), torch.randn(1, 2, 5, 5, requires_grad=True)
    with torch.autograd.graph.save_on_cpu():
        loss = F.conv2d(image, weight.detach()).sum()
    assert "shape of operand 1 is not known" in refused(loss, {"image": image})


def test_profiling_leaves_the_garbage_collector_as_it_was():
    import gc

    weight = parameter(3)
    for enabled in (False, True):
        (gc.enable if enabled else gc.disable)()
        try:
            greenplan.profile(weight.exp().sum(), [("weight", weight)])
            assert gc.isenabled() == enabled
        finally:
            gc.enable()


def test_refuses_an_unknown_choice_for_other_leaves():
    weight = parameter(3)
    with pytest.raises(ValueError, match='other_leaves is "alway".*did you mean "always"'):
        greenplan.profile(weight.exp().sum(), [("weight", weight)], other_leaves="alway")

"""From a loss to the profile of the training step that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from greenplan._autograd.checkpoint import add_recomputation
from greenplan._autograd.contraction import contract_ops, hang_tensors, prune_unreaching_ops
from greenplan._autograd.graph_walk import AutogradGraph, walk_graph
from greenplan._autograd.residual_blocks import find_residual_blocks
from greenplan._autograd.rules import LEAF
from greenplan._autograd.saved_bytes import book_saved_bytes
from greenplan._autograd.saved_tensors import saved_tensors
from greenplan.errors import ArgumentError, unknown_name
from greenplan.model_profile import MAX_TOTAL, ModelProfile, Op, Tensor


def read_profile(
    loss: torch.Tensor,
    named_parameters: Iterable[tuple[str, torch.Tensor]],
    frozen: Iterable[str],
    resident: Iterable[torch.Tensor],
    model: str,
) -> ModelProfile:
    """Does the work of ``greenplan.profile``, which states the contract."""
    _check_loss(loss)
    parameters = _listed(named_parameters)
    graph = walk_graph(loss.grad_fn)
    profile = ModelProfile(model=model)
    for name, parameter in parameters:
        profile.tensors.append(Tensor(name, tuple(parameter.shape)))
    _hang_on_leaves(graph, parameters, profile)
    _add_ops(graph, profile)
    find_residual_blocks(profile)
    _freeze(frozen, profile)
    if all(tensor.op is None for tensor in profile.tensors):
        raise ArgumentError("loss depends on none of the parameters that may be trained", field="loss")
    saved = saved_tensors(graph)
    add_recomputation(graph, saved, profile)
    for _, parameter in parameters:
        saved.forget(parameter)
    for tensor in resident:
        saved.forget(tensor)
    book_saved_bytes(saved.storages.values(), profile)
    prune_unreaching_ops(profile)
    hang_tensors(profile)
    contract_ops(profile)
    _label_ops(profile)
    return profile


def _check_loss(loss: torch.Tensor) -> None:
    if not isinstance(loss, torch.Tensor):
        raise ArgumentError(f"loss is {type(loss).__name__}; allowed: a torch.Tensor", field="loss")
    if not loss.requires_grad:
        raise ArgumentError(
            "loss does not require grad; run forward with grad enabled and the parameters requiring grad", field="loss"
        )
    if loss.grad_fn is None:
        raise ArgumentError("loss is a leaf tensor; allowed: the result of an operator", field="loss")


def _listed(named_parameters: Iterable[tuple[str, torch.Tensor]]) -> list[tuple[str, torch.Tensor]]:
    """Returns the parameters without those that are tied to an earlier one."""
    names: set[str] = set()
    tensors: set[int] = set()
    listed = []
    for name, parameter in named_parameters:
        if name in names:
            raise ArgumentError(f'named_parameters holds "{name}" twice; names must differ', field="named_parameters")
        names.add(name)
        if not isinstance(parameter, torch.Tensor) or not parameter.is_leaf:
            raise ArgumentError(f'named_parameters: "{name}" is no leaf tensor; all must be', field="named_parameters")
        if id(parameter) not in tensors:
            tensors.add(id(parameter))
            listed.append((name, parameter))
    return listed


def _hang_on_leaves(
    graph: AutogradGraph, parameters: Sequence[tuple[str, torch.Tensor]], profile: ModelProfile
) -> None:
    index_of = {id(parameter): index for index, (_, parameter) in enumerate(parameters)}
    for op, name in enumerate(graph.names):
        if name != LEAF:
            continue
        variable = graph.nodes[op].variable
        index = index_of.get(id(variable))
        if index is None:
            raise ArgumentError(
                f"loss depends on a tensor of shape {list(variable.shape)} that requires grad and is not among "
                "named_parameters, so its gradient would cost what no plan can avoid; list it or let it not require "
                "grad (after enable_input_require_grads(), call disable_input_require_grads())",
                field="loss",
            )
        profile.tensors[index].op = op


def _add_ops(graph: AutogradGraph, profile: ModelProfile) -> None:
    """Adds one op per node, leaves included."""
    total = 0
    for name, cost, targets, recomputed in zip(graph.names, graph.costs, graph.targets, graph.recomputed, strict=True):
        if cost is None:
            profile.ops.append(Op(name, inputs=[(target, 0) for _, target in targets]))
            continue
        per_input = cost.per_input
        inputs = [(target, per_input[operand] if operand < len(per_input) else 0) for operand, target in targets]
        profile.ops.append(Op(name, cost.op, inputs))
        if not recomputed:
            profile.forward_cost += cost.forward
        total += cost.op + sum(edge_cost for _, edge_cost in inputs)
    if profile.forward_cost + total > MAX_TOTAL:
        raise ArgumentError("forward and full backward cost more than 2^62 FLOPs", field="loss")


def _freeze(names: Iterable[str], profile: ModelProfile) -> None:
    tensors = {tensor.name: tensor for tensor in profile.tensors}
    for name in names:
        if name not in tensors:
            raise unknown_name("frozen", name, tensors, "names of named_parameters")
        tensors[name].op = None


def _label_ops(profile: ModelProfile) -> None:
    """Labels an op with the forward operator and its first tensor: "Mm fc.weight" for MmBackward0."""
    for op in profile.ops:
        op.name = "Parameter" if op.name == LEAF else op.name.rpartition("Backward")[0] or op.name
    has_tensor: set[int] = set()
    for tensor in profile.tensors:
        if tensor.op is not None and tensor.op not in has_tensor:
            has_tensor.add(tensor.op)
            profile.ops[tensor.op].name += f" {tensor.name}"

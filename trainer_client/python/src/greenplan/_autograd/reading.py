"""From a loss to the profile of the training step that it belongs to."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import torch

from greenplan._autograd.always_live import charge_always
from greenplan._autograd.checkpoint import add_recomputation, checkpoint_frames
from greenplan._autograd.contraction import contract_ops, hang_tensors, prune_unreaching_ops
from greenplan._autograd.graph_blocks import GraphBlocks
from greenplan._autograd.graph_walk import AutogradGraph, walk_graph
from greenplan._autograd.kernel_choice import refuse_choices_of_kernel
from greenplan._autograd.node_shapes import Node
from greenplan._autograd.residual_blocks import find_residual_blocks
from greenplan._autograd.rules import LEAF
from greenplan._autograd.saved_bytes import book_saved_bytes
from greenplan._autograd.saved_tensors import saved_tensors
from greenplan._autograd.step_profile import Label, profile_of_steps, with_leaves
from greenplan.errors import ArgumentError, Error, unknown_name
from greenplan.model_profile import MAX_TOTAL, ModelProfile, Op, Tensor


class UnreachedError(ArgumentError):
    """The loss depends on no parameter that may be trained."""


def read_profile(
    loss: torch.Tensor,
    named_parameters: Iterable[tuple[str, torch.Tensor]],
    frozen: Iterable[str],
    resident: Iterable[torch.Tensor],
    other_leaves: str,
    model: str,
    ignored: Iterable[torch.Tensor] = (),
    landmarks: Callable[[], Iterable[Node]] = tuple,
    pinned: Iterable[str] | None = (),
    open_embeddings: Callable[[], Iterable[torch.Tensor]] = tuple,
    vanishing: Callable[[GraphBlocks], Sequence[Label]] | None = None,
    dropped: Collection[str] | None = (),
) -> tuple[ModelProfile, GraphBlocks]:
    """Does the work of ``greenplan.profile``, which states the contract; also tells where the blocks lie.

    Leaves among ``ignored`` are neither refused nor charged: the steps that the profile is for need no gradient there.
    Nodes that ``landmarks`` returns are kept apart from others, so that the blocks can be asked about them. ``pinned``
    None stands for all parameters. Where weights that ``open_embeddings`` returns are looked up, the output requires
    grad whatever is trained; it is called if there is any look-up. ``vanishing`` tells the blocks without which each
    node does not exist, [num_nodes]; without it, a node vanishes with its block. ``dropped`` are the names of blocks
    that steps may drop, None for all.
    """
    _check_loss(loss)
    _check_torch(loss.grad_fn)
    if other_leaves not in ("refuse", "always"):
        raise unknown_name("other_leaves", other_leaves, ("refuse", "always"), '"refuse", "always"')
    with collector_paused():
        graph = walk_graph(loss.grad_fn, landmarks)
        return _read(
            graph,
            _listed(named_parameters),
            frozen,
            resident,
            other_leaves,
            model,
            ignored,
            pinned,
            open_embeddings,
            vanishing or (lambda blocks: blocks.blocks_of_node),
            dropped,
        )


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps Python's cycle collector off while it is entered: it would go through all objects several times.

    Everything made here is freed by reference counting. For a graph of 9,000 nodes in a process that has imported
    transformers, collections were nine tenths of the time. Whoever needs the profile alone lets go of the graph within,
    so that the collection which follows finds little.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(
    graph: AutogradGraph,
    parameters: Sequence[tuple[str, torch.Tensor]],
    frozen: Iterable[str],
    resident: Iterable[torch.Tensor],
    other_leaves: str,
    model: str,
    ignored: Iterable[torch.Tensor],
    pinned: Iterable[str] | None,
    open_embeddings: Callable[[], Iterable[torch.Tensor]],
    vanishing: Callable[[GraphBlocks], Sequence[Label]],
    dropped: Collection[str] | None,
) -> tuple[ModelProfile, GraphBlocks]:
    profile = ModelProfile(model=model)
    for name, parameter in parameters:
        profile.tensors.append(Tensor(name, tuple(parameter.shape)))
    ignored_leaves = {id(tensor) for tensor in ignored}
    others = [
        leaf
        for leaf in _hang_on_leaves(graph, parameters, profile)
        if id(graph.nodes[leaf].variable) not in ignored_leaves
    ]
    if others and other_leaves == "refuse":
        raise _unlisted(graph.nodes[others[0]].variable)
    others += _lookups(graph, open_embeddings)
    _add_ops(graph, profile)
    branches = find_residual_blocks(profile)
    blocks = GraphBlocks.of(profile.blocks, graph, branches)
    _freeze(frozen, profile)
    if all(tensor.op is None for tensor in profile.tensors):
        raise UnreachedError("loss depends on none of the parameters that may be trained", field="loss")
    labels = with_leaves(graph, vanishing(blocks))
    refuse_choices_of_kernel(graph, profile, [*others, *_leaves_of(pinned, profile)], labels, dropped)
    saved = saved_tensors(graph, [*(parameter for _, parameter in parameters), *resident])
    frames = checkpoint_frames(saved)
    if others or (profile.blocks and (frames or graph.checkpoint_inputs)):
        profile.of_steps = profile_of_steps(graph, frames, profile, others, labels)
        _shorten(profile.of_steps, is_of_steps=True)
    add_recomputation(graph, frames, saved, profile, labels)
    book_saved_bytes(saved.storages.values(), profile)
    if others:
        inserted = len(profile.ops) - len(graph.nodes)
        charge_always(profile, [leaf + inserted for leaf in others])
    _shorten(profile)
    return profile, blocks


def _shorten(profile: ModelProfile, is_of_steps: bool = False) -> None:
    prune_unreaching_ops(profile)
    hang_tensors(profile)
    contract_ops(profile, is_of_steps)
    _label_ops(profile)


def _check_torch(node: Node) -> None:
    if not hasattr(node, "_input_metadata"):
        raise Error(
            f"torch {torch.__version__} does not tell the shapes of what an autograd graph was made from; use 2.5 or "
            "later, or Profile.from_config",
            code="UNIMPLEMENTED",
            field="torch",
        )


def _check_loss(loss: torch.Tensor) -> None:
    if not isinstance(loss, torch.Tensor):
        raise ArgumentError(f"loss is {type(loss).__name__}; allowed: a torch.Tensor", field="loss")
    if not loss.requires_grad:
        raise ArgumentError(
            "loss does not require grad; run forward with grad enabled and the parameters requiring grad", field="loss"
        )
    if loss.grad_fn is None:
        problem = "loss is a leaf tensor; allowed: the result of an operator"
        if loss._backward_hooks:
            problem += (
                ". It has a hook, as cached losses (GradCache) do, which compute gradients out of sight: use the loss "
                "without a cache"
            )
        raise ArgumentError(problem, field="loss")


def _listed(named_parameters: Iterable[tuple[str, torch.Tensor]]) -> list[tuple[str, torch.Tensor]]:
    """Returns the parameters without those that are tied to an earlier one."""
    names: set[str] = set()
    tensors: set[int] = set()
    listed = []
    for name, parameter in named_parameters:
        if name in names:
            raise ArgumentError(f'named_parameters holds "{name}" twice; names must differ', field="named_parameters")
        names.add(name)
        if not isinstance(parameter, torch.Tensor):
            raise _no_leaf(name)
        if id(parameter) not in tensors:
            tensors.add(id(parameter))
            listed.append((name, parameter))
    return listed


def _hang_on_leaves(
    graph: AutogradGraph, parameters: Sequence[tuple[str, torch.Tensor]], profile: ModelProfile
) -> list[int]:
    """Hangs each tensor on its leaf; returns the other leaves.

    Raises:
        ArgumentError: A parameter is no leaf.
    """
    index_of = {id(parameter): index for index, (_, parameter) in enumerate(parameters)}
    others = []
    for op, kind in enumerate(graph.kinds):
        if kind.is_leaf:
            index = index_of.get(id(graph.nodes[op].variable))
            if index is None:
                others.append(op)
            else:
                profile.tensors[index].op = op
    for tensor, (name, parameter) in zip(profile.tensors, parameters, strict=True):
        if tensor.op is None and not parameter.is_leaf:
            raise _no_leaf(name)
    return others


def _no_leaf(name: str) -> ArgumentError:
    return ArgumentError(f'named_parameters: "{name}" is no leaf tensor; all must be', field="named_parameters")


def _unlisted(variable: torch.Tensor) -> ArgumentError:
    return ArgumentError(
        f"loss depends on a tensor of shape {list(variable.shape)} that requires grad and is not among "
        "named_parameters, so its gradient would cost what no plan can avoid; list it, let it not require grad (after "
        'enable_input_require_grads(): disable_input_require_grads()), or say other_leaves="always"',
        field="loss",
    )


def _add_ops(graph: AutogradGraph, profile: ModelProfile) -> None:
    """Adds one op per node, leaves included."""
    profile.ops = [
        Op(kind.name, 0, [(target, 0) for target in targets if target is not None], None, 0)
        for kind, targets in zip(graph.kinds, graph.targets, strict=True)
    ]
    total = 0
    for index, cost in graph.costs.items():
        op = profile.ops[index]
        targets, per_input = graph.targets[index], cost.per_input
        op.cost = cost.op
        op.inputs = [
            (target, per_input[operand] if operand < len(per_input) else 0)
            for operand, target in enumerate(targets)
            if target is not None
        ]
        if index not in graph.recomputed:
            profile.forward_cost += cost.forward
        total += cost.op + sum(edge_cost for _, edge_cost in op.inputs)
    if profile.forward_cost + total > MAX_TOTAL:
        raise ArgumentError("forward and full backward cost more than 2^62 FLOPs", field="loss")


def _lookups(graph: AutogradGraph, open_embeddings: Callable[[], Iterable[torch.Tensor]]) -> list[int]:
    """Returns the nodes that look up a weight that ``open_embeddings`` returns."""
    weight_of = {
        op: id(graph.nodes[weight].variable)
        for op, (kind, targets) in enumerate(zip(graph.kinds, graph.targets, strict=True))
        if kind.name == "EmbeddingBackward0" and (weight := targets[0]) is not None and graph.kinds[weight].is_leaf
    }
    looked_up = {id(weight) for weight in open_embeddings()} if weight_of else set()
    return [op for op, weight in weight_of.items() if weight in looked_up]


def _leaves_of(names: Iterable[str] | None, profile: ModelProfile) -> list[int]:
    """Returns the leaves of the tensors of these names; None: of all."""
    tensors = {tensor.name: tensor for tensor in profile.tensors}
    chosen = tensors if names is None else names
    for name in chosen:
        if name not in tensors:
            raise unknown_name("pinned", name, tensors, "names of named_parameters")
    return [leaf for name in chosen if (leaf := tensors[name].op) is not None]


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

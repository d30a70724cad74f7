"""The profile of a step in which several losses are differentiated one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from greenplan.model_profile import ModelProfile, Op, Tensor


def has_same_structure(first: ModelProfile, second: ModelProfile) -> bool:
    """Whether two profiles differ in costs alone, as those of two batches of different shapes do."""
    return (
        first.blocks == second.blocks
        and [tensor.op for tensor in first.tensors] == [tensor.op for tensor in second.tensors]
        and [(op.name, op.block, [target for target, _ in op.inputs]) for op in first.ops]
        == [(op.name, op.block, [target for target, _ in op.inputs]) for op in second.ops]
    )


def merged(first: ModelProfile, second: ModelProfile) -> ModelProfile:
    """Joins the profiles of two losses of one step, of the same parameters, under a new op 0.

    A tensor that both losses reach hangs on an op of its own, as a tied one does: each of its uses is an edge that
    costs that use's weight gradient. Blocks of one name are one block.
    """
    result = _merged(first, second)
    for part, (loss, _) in zip((first, second), result.ops[0].inputs, strict=True):
        if part.always_runs:
            _pay_always(result, loss)
    if first.of_steps is not None or second.of_steps is not None:
        result.of_steps = _merged(*_of_steps_alike(first, second))
    return result


def _pay_always(profile: ModelProfile, loss: int) -> None:
    """Lets op 0 pay for what the op of one of the losses pays for, which is differentiated whatever is trained."""
    losses, op = profile.ops[0], profile.ops[loss]
    losses.cost, losses.saved_bytes = losses.cost + op.cost, losses.saved_bytes + op.saved_bytes
    op.cost = op.saved_bytes = 0


def _of_steps_alike(first: ModelProfile, second: ModelProfile) -> tuple[ModelProfile, ModelProfile]:
    """Returns the profiles of single steps, each with the other's further tensors, which it does not reach."""
    number = len(first.tensors)
    one, other = first.of_steps or first, second.of_steps or second
    of_one = [dataclasses.replace(tensor, name=f"first {tensor.name}") for tensor in one.tensors[number:]]
    of_other = [dataclasses.replace(tensor, name=f"second {tensor.name}") for tensor in other.tensors[number:]]
    return (
        dataclasses.replace(one, tensors=[*one.tensors[:number], *of_one, *_unreached(of_other)]),
        dataclasses.replace(other, tensors=[*other.tensors[:number], *_unreached(of_one), *of_other]),
    )


def _unreached(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [Tensor(tensor.name) for tensor in tensors]


def _merged(first: ModelProfile, second: ModelProfile) -> ModelProfile:
    blocks = first.blocks + [name for name in second.blocks if name not in first.blocks]
    result = ModelProfile(first.model, first.cost_unit, first.forward_cost + second.forward_cost, blocks=blocks)
    offsets = (1, 1 + len(first.ops))
    result.ops = [Op("losses", inputs=[(offset, 0) for offset in offsets])]
    for profile, offset in zip((first, second), offsets, strict=True):
        for op in profile.ops:
            block = None if op.block is None else blocks.index(profile.blocks[op.block])
            inputs = [(target + offset, cost) for target, cost in op.inputs]
            result.ops.append(Op(op.name, op.cost, inputs, block, op.saved_bytes))
    for one, other in zip(first.tensors, second.tensors, strict=True):
        result.tensors.append(_joined(one, other, offsets, result))
    return result


def _joined(one: Tensor, other: Tensor, offsets: tuple[int, int], result: ModelProfile) -> Tensor:
    uses = [
        (tensor, tensor.op + offset)
        for tensor, offset in zip((one, other), offsets, strict=True)
        if tensor.op is not None
    ]
    joined = Tensor(one.name, one.shape, saved_bytes=sum(tensor.saved_bytes for tensor, _ in uses))
    if len(uses) == 1:
        joined.op, joined.weight_grad_cost = uses[0][1], uses[0][0].weight_grad_cost
    elif uses:
        for tensor, op in uses:
            result.ops[op].inputs.append((len(result.ops), tensor.weight_grad_cost))
        of_blocks = {result.ops[op].block for _, op in uses}
        joined.op = len(result.ops)
        result.ops.append(Op(f"Parameter {one.name}", block=of_blocks.pop() if len(of_blocks) == 1 else None))
    return joined

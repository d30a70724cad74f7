"""Books the memory that forward keeps for backward into a profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from greenplan._autograd.saved_tensors import KeptStorage
from greenplan.model_profile import SAVED, ModelProfile, Op, reaching_ops


def book_saved_bytes(storages: Iterable[KeptStorage], profile: ModelProfile) -> None:
    """Enters ``storages`` into the saved_bytes of a profile whose tensors still hang on their leaf ops.

    A storage with one keeper is added to that op. One with several becomes, together with all others of the same
    keepers, an op "saved" of its own, a free input of op 0 with the keepers as its free inputs, so that it counts once.
    A keeper that is live only with another keeper is left out, and so is one that no tensor hangs behind.
    """
    reaching = reaching_ops(profile, profile.tensors)
    only_consumer = _only_consumers(profile)
    shared: dict[tuple[int, ...], int] = {}
    for storage in storages:
        keepers = tuple(storage.keepers)
        if len(keepers) > 1:
            keepers = _necessary(keepers, reaching, only_consumer)
        if len(keepers) > 1:
            shared[keepers] = shared.get(keepers, 0) + storage.bytes
        elif keepers and reaching[keepers[0]]:
            profile.ops[keepers[0]].saved_bytes += storage.bytes
    ops = []
    for keepers in sorted(shared):
        op = Op(SAVED, inputs=[(keeper, 0) for keeper in keepers], saved_bytes=shared[keepers])
        op.block = common_block(profile, keepers)
        ops.append(op)
    insert_below_loss(ops, profile)


def insert_below_loss(ops: Sequence[Op], profile: ModelProfile) -> None:
    """Makes ``ops`` free inputs of op 0, at index 1 and behind. Their own inputs count as before the insertion."""
    count = len(ops)
    if count == 0:
        return
    profile.ops[1:1] = ops
    for op in profile.ops:
        op.inputs = [(target + count if target > 0 else target, cost) for target, cost in op.inputs]
    for tensor in profile.tensors:
        if tensor.op:
            tensor.op += count
    profile.ops[0].inputs.extend((index, 0) for index in range(1, count + 1))


def common_block(profile: ModelProfile, ops: Sequence[int]) -> int | None:
    """Returns the block that all ``ops`` belong to, or None."""
    block = profile.ops[ops[0]].block
    return block if all(profile.ops[op].block == block for op in ops) else None


def _only_consumers(profile: ModelProfile) -> list[int | None]:
    """Returns the op that holds the only edge to each op, [num_ops]; None where there are none or several."""
    only_consumer: list[int | None] = [None] * len(profile.ops)
    has_edge = [False] * len(profile.ops)
    for index, op in enumerate(profile.ops):
        for target, _ in op.inputs:
            only_consumer[target] = None if has_edge[target] else index
            has_edge[target] = True
    return only_consumer


def _necessary(keepers: Iterable[int], reaching: list[bool], only_consumer: list[int | None]) -> tuple[int, ...]:
    ascending = sorted({op for op in keepers if reaching[op]})
    if ascending and ascending[0] == 0:  # Whatever is live, op 0 is.
        return (0,)
    among = set(ascending)
    return tuple(op for op in ascending if not _live_only_with_another(op, among, ascending[0], only_consumer))


def _live_only_with_another(op: int, keepers: set[int], lowest: int, only_consumer: list[int | None]) -> bool:
    """Goes up from ``op`` as long as there is one way. Edges lead to higher indices: not beyond the lowest keeper."""
    above = only_consumer[op]
    while above is not None and above >= lowest:
        if above in keepers:
            return True
        above = only_consumer[above]
    return False

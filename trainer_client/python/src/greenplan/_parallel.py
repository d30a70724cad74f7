"""Models that are trained by several processes: what wraps them, and what the processes tell each other."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch.nn.parallel import DataParallel, DistributedDataParallel

from greenplan.errors import Error

_COMPILED = (
    "compiled by torch.compile, whose graphs keep the flags of their first trace: tensors that thaw would get no "
    "gradient, and every change of the plan would compile anew; attach the model without torch.compile"
)

# What the state of torch's PowerSGD hook remembers of each bucket.
_OF_BUCKETS = ("error_dict", "p_memory_dict", "q_memory_dict")


def refuse_unsupported(model: torch.nn.Module, will_be_compiled: bool = False) -> None:
    """Refuses what cannot follow a change of ``requires_grad`` in the middle of training.

    Args:
        model: As it is called in training.
        will_be_compiled: Whether it will be wrapped by torch.compile where it is called.

    Raises:
        Error: UNIMPLEMENTED, with the reason and what to use instead.
    """
    reason = _COMPILED if will_be_compiled else _reason_against(model)
    if reason:
        raise Error(f"model is {reason}", code="UNIMPLEMENTED", field="model")


def _is_compiled(module: torch.nn.Module) -> bool:
    return isinstance(module, torch._dynamo.OptimizedModule) or getattr(module, "_compiled_call_impl", None) is not None


def _reason_against(model: torch.nn.Module) -> str:
    if any(_is_compiled(module) for module in model.modules()):
        return _COMPILED
    if isinstance(model, DistributedDataParallel) and model.static_graph:
        return "a DistributedDataParallel with static_graph=True, which refuses other graphs; leave static_graph out"
    if isinstance(model, DataParallel):
        return "a DataParallel, whose replicas know no plan; use DistributedDataParallel, one process per device"
    for module in model.modules():
        if type(module).__name__ == "FullyShardedDataParallel":
            return (
                "sharded by FSDP1 (FullyShardedDataParallel), which flattens tensors of one flag each into one; use "
                "FSDP2 (torch.distributed.fsdp.fully_shard; in accelerate fsdp_version: 2)"
            )
        if type(module).__name__ == "DeepSpeedEngine":
            return "a DeepSpeed engine, whose partitions are made for the flags at its start; use DDP or FSDP2"
    if any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
        return (
            "partitioned by DeepSpeed ZeRO-3, which under checkpointing recomputes frozen layers with empty weights; "
            "use DDP or FSDP2"
        )
    return ""


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """Returns the model within DistributedDataParallel, or the model itself."""
    module = model.module if isinstance(model, DistributedDataParallel) else model
    assert isinstance(module, torch.nn.Module)
    return module


def as_called(model: torch.nn.Module) -> torch.nn.Module:
    """Returns the DistributedDataParallel around a model that is given without it, else the model itself.

    A Trainer hands its callbacks the model within, and so may the user of accelerate. The reducer has to know the mask.

    Raises:
        Error: UNIMPLEMENTED; the model is a part of what is wrapped.
    """
    if isinstance(model, DistributedDataParallel) or not (dist.is_available() and dist.is_initialized()):
        return model
    own = {id(parameter) for parameter in model.parameters()}
    is_part = False
    for candidate in gc.get_objects():
        if type(candidate) is DistributedDataParallel:
            if candidate.module is model:
                return candidate
            is_part = is_part or any(id(parameter) in own for parameter in candidate.module.parameters())
    if is_part:
        raise Error(
            "model is a part of what DistributedDataParallel, or replicate(), has made a reducer for, which would wait "
            "for the gradients of frozen tensors; attach what DistributedDataParallel returns",
            code="UNIMPLEMENTED",
            field="model",
        )
    return model


class Ranks:
    """What the processes of one training run agree on. With one process nothing is sent.

    All ranks must call the same methods in the same order.
    """

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        """Uses the process group of the wrapper, or the default one.

        Args:
            model: As it is called in training.
            device: Where the collectives' tensors live.
        """
        self._group = model.process_group if isinstance(model, DistributedDataParallel) else None
        self._device = device
        is_many = dist.is_available() and dist.is_initialized()
        self.count = dist.get_world_size(self._group) if is_many else 1
        self.rank = dist.get_rank(self._group) if is_many else 0

    def from_first(self, value: Any) -> Any:
        """Returns rank 0's ``value`` on every rank."""
        if self.count == 1:
            return value
        box = [value]
        source = 0 if self._group is None else dist.get_global_rank(self._group, 0)
        dist.broadcast_object_list(box, src=source, group=self._group, device=self._device)
        return box[0]

    def gathered(self, value: Any) -> list[Any]:
        """Returns the ``value`` of every rank, [count], on every rank."""
        if self.count == 1:
            return [value]
        boxes: list[Any] = [None] * self.count
        dist.all_gather_object(boxes, value, group=self._group)
        return boxes

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Averages each value over the ranks that have it; every rank gets those of all ranks, in rank 0's order."""
        if self.count == 1:
            return values
        boxes = self.gathered(values)
        names = list(dict.fromkeys(name for box in boxes for name in box))
        found = {name: [box[name] for box in boxes if name in box] for name in names}
        return {name: sum(of_ranks) / len(of_ranks) for name, of_ranks in found.items()}

    def any(self, value: bool) -> bool:
        """Whether ``value`` holds on any rank."""
        if self.count == 1:
            return value
        flag = torch.tensor([value], dtype=torch.int32, device=self._device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=self._group)
        return bool(flag.item())

    def check_equal(self, what: str, value: str) -> None:
        """Checks that all ranks hold the same.

        Raises:
            Error: FAILED_PRECONDITION naming the ranks that differ from rank 0.
        """
        boxes = self.gathered(value)
        others = [rank for rank, of_rank in enumerate(boxes) if of_rank != boxes[0]]
        if others:
            raise Error(
                f"{what} of rank 0 is {boxes[0]}, but ranks {others} hold another one; start all ranks from the same "
                "checkpoint",
                code="FAILED_PRECONDITION",
                field=what,
            )


class Wrapper(Protocol):
    """What has to know which tensors get gradients."""

    def follow(self, live: Iterable[torch.Tensor], may_drop: bool) -> None:
        """Reduces the gradients of ``live`` alone from now on.

        Args:
            live: The tensors that require grad.
            may_drop: Whether some of them may get no gradient in some steps.
        """

    def finish_reduction(self) -> None:
        """Is called at the end of a step whose last micro-batch had nothing to train and ran no backward."""

    def without_reduction(self) -> contextlib.AbstractContextManager[Any]:
        """Keeps gradients on their rank while it is entered."""

    def prepare(self) -> None:
        """Is called while all candidates require grad, before the first plan is applied."""

    def settle(self) -> None:
        """Lets the model hold the tensors that its optimizer has. Called between steps."""

    def check_reentrant_drops(self, method: str) -> None:
        """Refuses to drop blocks under checkpoints with use_reentrant=True where that cannot be.

        Raises:
            Error: UNIMPLEMENTED, with what to do instead.
        """

    def leaf_of(self, parameter: torch.Tensor) -> torch.Tensor:
        """Returns the tensor that stands for ``parameter`` in the autograd graph."""


def wrapper_of(model: torch.nn.Module) -> Wrapper:
    """Finds out what wraps a model."""
    if isinstance(model, DistributedDataParallel):
        return _Ddp(model)
    if any(hasattr(module, "_get_fsdp_state") for module in model.modules()):
        return _Fsdp(model)
    return _Alone()


class _Alone:
    def follow(self, live: Iterable[torch.Tensor], may_drop: bool) -> None:
        pass

    def finish_reduction(self) -> None:
        pass

    def without_reduction(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def prepare(self) -> None:
        pass

    def settle(self) -> None:
        pass

    def check_reentrant_drops(self, method: str) -> None:
        pass

    def leaf_of(self, parameter: torch.Tensor) -> torch.Tensor:
        return parameter


class _Ddp(_Alone):
    """The reducer waits for the gradients of all tensors that required grad when it was made: it is made anew."""

    def __init__(self, model: DistributedDataParallel) -> None:
        self._model: Any = model
        self._follows: tuple[frozenset[int], bool] | None = None
        self._finds_unused = bool(model.find_unused_parameters)

    def follow(self, live: Iterable[torch.Tensor], may_drop: bool) -> None:
        model = self._model
        if not dist.is_initialized():  # The process group has gone, as at the end of a program.
            return
        follows = frozenset(id(parameter) for parameter in live), may_drop
        if not follows[0] or follows == self._follows:  # Without any gradient no reducer is asked.
            return
        self._follows = follows
        model.find_unused_parameters = self._finds_unused or may_drop
        parameters, expect_sparse = model._build_params_for_reducer()
        names = model._build_debug_param_to_name_mapping(parameters)
        model._ddp_init_helper(parameters, expect_sparse, names, False)
        for hook, state in model._comm_hooks:  # They were registered with the old reducer.
            _forget_buckets(state)
            dist._register_comm_hook(model.reducer, state, hook)  # type: ignore[attr-defined]

    def finish_reduction(self) -> None:
        """Averages what earlier micro-batches have left on each rank; the reducer, which waits, is made anew."""
        live = [parameter for parameter in self._model.module.parameters() if parameter.requires_grad]
        if self._follows is None or not live:
            return
        for parameter in live:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad, group=self._model.process_group)
                parameter.grad /= dist.get_world_size(self._model.process_group)
        may_drop, self._follows = self._follows[1], None
        self.follow(live, may_drop)

    def check_reentrant_drops(self, method: str) -> None:
        raise Error(
            f'method "{method}" within DistributedDataParallel under checkpoints with use_reentrant=True: the reducer '
            "has to look for tensors that get no gradient (find_unused_parameters), which it cannot do under such "
            "checkpoints; use use_reentrant=False (in transformers "
            'gradient_checkpointing_kwargs={"use_reentrant": False}), or method "selection"',
            code="UNIMPLEMENTED",
            field="method",
        )

    def without_reduction(self) -> contextlib.AbstractContextManager[Any]:
        manager: contextlib.AbstractContextManager[Any] = self._model.no_sync()
        return manager


def _forget_buckets(state: Any) -> None:
    """Lets the state of a communication hook remember nothing of the buckets of the old reducer.

    The new one makes its buckets anew after its first step, so that PowerSGD begins to remember after that step, too.
    """
    for name in _OF_BUCKETS:
        of_buckets = getattr(state, name, None)
        if isinstance(of_buckets, dict):
            of_buckets.clear()
    if hasattr(state, "start_powerSGD_iter"):
        state.start_powerSGD_iter = max(state.start_powerSGD_iter, state.iter + 1)


class _Fsdp(_Alone):
    """FSDP2 looks at the flags in every forward pass, but fixes the type of its reduction in the first one."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._modules: list[Any] = [module for module in model.modules() if hasattr(module, "_get_fsdp_state")]

    def prepare(self) -> None:
        """A first forward pass with a group all frozen would reduce that group in half precision for ever after."""
        for module in self._modules:  # Outer ones come first, and tell those within that they are no roots.
            state = module._get_fsdp_state()
            if state._is_root is None:
                state._lazy_init()

    def settle(self) -> None:
        """After a forward pass without backward, as in an evaluation, the root holds its gathered tensors."""
        for module in self._modules:
            module.reshard()

    def leaf_of(self, parameter: torch.Tensor) -> torch.Tensor:
        for module in self._modules:
            for group in groups_of(module):
                for sharded in group.fsdp_params:
                    if sharded.sharded_param is parameter:
                        leaf: torch.Tensor = sharded._unsharded_param
                        return leaf
        return parameter


def groups_of(module: Any) -> list[Any]:
    """Returns FSDP2's groups of parameters of a sharded module. Earlier versions of torch have one per module."""
    state = module._get_fsdp_state()
    groups = getattr(state, "_fsdp_param_groups", None)
    if groups is None:
        groups = [group for group in [state._fsdp_param_group] if group is not None]
    return list(groups)

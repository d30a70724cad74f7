"""Reads the profile of a training step while it happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from greenplan import profile_json
from greenplan._autograd.graph_blocks import GraphBlocks
from greenplan._autograd.reading import UnreachedError, read_profile
from greenplan._autograd.reentrant_checkpoint import CHECKPOINT_KIND
from greenplan._backward import watched_backward
from greenplan._blocks import BlockModules, ModuleCalls, recorded_calls
from greenplan._hooks import removed_afterwards
from greenplan._inputs import InputEmbedding
from greenplan._merging import has_same_structure, merged
from greenplan.errors import ArgumentError, Error
from greenplan.model_profile import ModelProfile
from greenplan.profile import Profile

Signature = list[Any]


@contextlib.contextmanager
def recorded_shapes(model: torch.nn.Module) -> Iterator[Signature]:
    """Lists the shapes of the tensors that each forward pass is given, as JSON can hold them.

    Equal shapes make equal costs.
    """
    shapes: Signature = []

    def record(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        shapes.append([list(shape) for shape in _shapes_in([args, kwargs])])

    with removed_afterwards([model.register_forward_pre_hook(record, with_kwargs=True)]):
        yield shapes


def _shapes_in(value: Any) -> Iterator[tuple[int, ...]]:
    if isinstance(value, torch.Tensor):
        yield tuple(value.shape)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _shapes_in(value[key])
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _shapes_in(item)


def profile_state(profile: Profile) -> dict[str, Any]:
    """Returns what ``profile_of_state`` needs, as JSON can hold it."""
    data, of_steps = profile.data, profile.data.of_steps
    return {
        "profile": profile_json.to_json(data),
        "profile_of_steps": None if of_steps is None else profile_json.to_json(of_steps),
    }


def profile_of_state(state: Mapping[str, Any]) -> Profile:
    """Reads ``profile_state()``."""
    data, of_steps = profile_json.from_json(state["profile"]), state["profile_of_steps"]
    data.of_steps = None if of_steps is None else profile_json.from_json(of_steps)
    return Profile(data)


@dataclass(frozen=True)
class ProfiledStep:
    """A step as it was profiled.

    Attributes:
        profile: What it costs.
        blocks: The modules of its blocks.
        signature: The shapes of the forward passes that the profile holds for.
        losses_per_step: How many losses the profile adds up.
    """

    profile: Profile
    blocks: BlockModules
    signature: Signature
    losses_per_step: int

    def state(self) -> dict[str, Any]:
        """Returns what ``of_state`` needs, as JSON can hold it."""
        return {
            **profile_state(self.profile),
            "block_modules": {block: list(modules) for block, modules in self.blocks.modules.items()},
            "undroppable": list(self.blocks.undroppable),
            "signature": self.signature,
            "losses_per_step": self.losses_per_step,
        }

    @classmethod
    def of_state(cls, profile: Profile, model: torch.nn.Module, state: Mapping[str, Any]) -> ProfiledStep:
        """Reads ``state()`` of a step of ``model``, whose profile has been read already."""
        blocks = BlockModules(model, state["block_modules"], state["undroppable"])
        return cls(profile, blocks, state["signature"], state["losses_per_step"])


# In the state of a session whose steps were not profiled yet.
NO_STATE: dict[str, Any] = {
    "profile": None,
    "profile_of_steps": None,
    "block_modules": {},
    "undroppable": [],
    "signature": None,
    "losses_per_step": 1,
}


def read_profile_and_modules(
    loss: torch.Tensor,
    named_leaves: Iterable[tuple[str, torch.Tensor]],
    model: torch.nn.Module,
    calls: ModuleCalls,
    resident: Iterable[torch.Tensor] = (),
    ignored: Iterable[torch.Tensor] = (),
    pinned: Iterable[str] | None = (),
    dropped: Collection[str] | None = None,
) -> tuple[ModelProfile, GraphBlocks, BlockModules]:
    """Reads the profile of a loss by ``read_profile``, and finds the modules of its blocks.

    Args:
        loss: Of ``model``.
        named_leaves: The parameters by name, as the graph holds them.
        model: Without what wraps it.
        calls: Of the forward pass that made the loss, still being recorded.
        resident: As for ``read_profile``.
        ignored: As for ``read_profile``.
        pinned: As for ``read_profile``.
        dropped: As for ``read_profile``; by default all blocks.
    """
    modules = BlockModules(model, {})

    def vanishing(blocks: GraphBlocks) -> list[frozenset[int]]:
        nonlocal modules
        modules = BlockModules.found(model, blocks, calls)
        return modules.vanishing(blocks, calls)

    data, blocks = read_profile(
        loss,
        named_leaves,
        (),
        resident,
        "always",
        type(model).__name__,
        ignored,
        calls.output_nodes,
        pinned,
        vanishing=vanishing,
        dropped=dropped,
    )
    return data, blocks, modules


class StepProfiler:
    """Profiles the losses of one step. Losses of one structure are micro-batches, of which the first one counts.

    Attributes:
        is_reentrant: Whether a checkpoint with use_reentrant=True was met.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        named_leaves: Callable[[], list[tuple[str, torch.Tensor]]],
        inputs: InputEmbedding,
        pinned: Sequence[str] | None,
        may_drop: bool = True,
    ) -> None:
        """Prepares for one step.

        Args:
            model: Without what wraps it.
            named_leaves: The parameters by name, as the graph holds them.
            inputs: The input embedding of the model.
            pinned: Names of the parameters that every plan trains; None: of all.
            may_drop: Whether steps may drop blocks.
        """
        self.is_reentrant = False
        self._model = model
        self._named_leaves = named_leaves
        self._inputs = inputs
        self._pinned = pinned
        self._dropped = None if may_drop else ()
        self._calls = ModuleCalls()
        self._shapes: Signature = []
        self._parts: list[ModelProfile] = []  # Losses of different structure.
        self._signature: Signature = []
        self._blocks: BlockModules | None = None
        self._is_any_unreached = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Profiles every loss that is differentiated while it is entered and depends on a parameter of the model."""

        def watch(loss: torch.Tensor, run: Callable[[], None]) -> None:
            try:
                self.read(loss)
            except UnreachedError:  # The loss of another model.
                self._is_any_unreached = True
            run()

        with (
            self._inputs.opened(),
            recorded_calls(self._model) as self._calls,
            recorded_shapes(self._model) as self._shapes,
            watched_backward(watch),
        ):
            yield
        self._calls = ModuleCalls()

    def read(self, loss: torch.Tensor) -> None:
        """Profiles one loss, which forward has just made."""
        data, blocks, modules = self._read(loss, self._inputs.leaves)
        if any(kind is CHECKPOINT_KIND for kind in blocks.graph.kinds):
            self.is_reentrant = True
            data, blocks, modules = self._read(loss, [])
        if not any(has_same_structure(data, part) for part in self._parts):
            self._blocks = modules if self._blocks is None else self._blocks.joined(self._model, modules)
            self._parts.append(data)
            self._signature = list(self._shapes)
        self._calls.clear()
        self._inputs.leaves.clear()

    def _read(self, loss: torch.Tensor, ignored: list[torch.Tensor]) -> tuple[ModelProfile, GraphBlocks, BlockModules]:
        resident = [*self._model.buffers(), *self._model.parameters()]
        return read_profile_and_modules(
            loss, self._named_leaves(), self._model, self._calls, resident, ignored, self._pinned, self._dropped
        )

    def result(self) -> ProfiledStep:
        """Returns what all losses of the step cost together.

        Raises:
            Error: FAILED_PRECONDITION; no loss was differentiated.
            ArgumentError: The losses together are beyond what a profile can hold.
        """
        if not self._parts or self._blocks is None:
            problem = (
                "no loss of the model was differentiated within the step; call loss.backward() within "
                "`with session.step():`"
            )
            if self._is_any_unreached:
                problem += (
                    ". One was that reaches no tensor that may train: it is that of another model, or of another "
                    "adapter than the optimizer has, for which to attach again"
                )
            raise Error(problem, code="FAILED_PRECONDITION", field="step")
        data = self._parts[0]
        for part in self._parts[1:]:
            data = merged(data, part)
        if not any(tensor.op is not None for tensor in data.tensors):
            raise ArgumentError("loss depends on none of the parameters", field="loss")
        return ProfiledStep(Profile(data), self._blocks, self._signature, len(self._parts))

"""Whether gradient flows into what a frozen input embedding returns.

``enable_input_require_grads`` of transformers lets it require grad, which reentrant checkpointing needs. Without that
need it keeps the graph of every frozen layer alive: nothing is saved, whatever the plan freezes.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from typing import Any

import torch

from greenplan._hooks import removed_afterwards
from greenplan._options import Options
from greenplan.errors import Error

# As transformers and those who do as it does name the function.
_OPENING_HOOKS = ("make_inputs_require_grads", "make_inputs_require_grad")


class InputEmbedding:
    """The input embedding of a transformers model; of other models nothing is known and nothing done.

    Attributes:
        leaves: What it returned while ``opened`` was entered, as leaves of the graph.
        is_held_open: Whether somebody else was seen to let the output of the frozen embedding require grad.
        must_stay_open: Whether gradients would be lost if that were undone.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self.leaves: list[torch.Tensor] = []
        self.is_held_open = False
        self.must_stay_open = False
        self._module: torch.nn.Module | None = None
        getter = getattr(model, "get_input_embeddings", None)
        if callable(getter):
            with contextlib.suppress(NotImplementedError, AttributeError):
                found = getter()
                self._module = found if isinstance(found, torch.nn.Module) else None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Lets the output of a frozen embedding require grad, so that the graph shows all products behind it."""

        def open_output(output: torch.Tensor) -> None:
            self.is_held_open = self.is_held_open or output.requires_grad
            self.leaves.append(output.requires_grad_(True))

        with self._hooked(open_output):
            yield

    @contextlib.contextmanager
    def closed(self, is_anything_live: bool) -> Iterator[None]:
        """Undoes what somebody else's hook does to the output of a frozen embedding.

        Args:
            is_anything_live: Whether there are gradients to lose.
        """
        if self.must_stay_open and is_anything_live:
            yield
            return
        with self._hooked(lambda output: output.requires_grad_(False)):
            yield

    def holds(self, names: Collection[str]) -> bool:
        """Whether a parameter of the embedding is among those named."""
        own = set() if self._module is None else set(self._module.parameters())
        return any(parameter in own for name, parameter in self._model.named_parameters() if name in names)

    @contextlib.contextmanager
    def _hooked(self, act: Any) -> Iterator[None]:
        def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.is_leaf and output.is_floating_point():
                act(output)

        modules = self._embeddings()
        own = [(module, module.register_forward_hook(hook)) for module in modules]

        def take_places(*_: Any) -> None:
            for module, handle in own:
                _place_behind_opening_hooks(module._forward_hooks, handle.id)

        if not own:
            yield
            return
        before = self._model.register_forward_pre_hook(take_places)
        with removed_afterwards([*(handle for _, handle in own), before]):
            yield

    def _embeddings(self) -> list[torch.nn.Module]:
        """Returns the embedding, and what else is opened: T5's encoder and decoder each have a module of their own."""
        found = [] if self._module is None else [self._module]
        found += [module for module in self._model.modules() if module is not self._module and _is_opened(module)]
        return found


def _place_behind_opening_hooks(hooks: MutableMapping[int, Any], own: int) -> None:
    """Moves a hook behind those that open the output, and before what others make of it, such as NEFTune's noise.

    Somebody else may hook the embedding within a step, as TRL's DPO does when it checkpoints again.
    """
    others = [(number, hook) for number, hook in hooks.items() if number != own]
    opening = [place for place, (_, hook) in enumerate(others) if getattr(hook, "__name__", "") in _OPENING_HOOKS]
    others.insert(opening[-1] + 1 if opening else len(others), (own, hooks[own]))
    hooks.clear()
    hooks.update(others)


def _is_opened(module: torch.nn.Module) -> bool:
    return any(getattr(hook, "__name__", "") in _OPENING_HOOKS for hook in _forward_hooks(module))


def open_embeddings(named_parameters: Iterable[tuple[str, torch.Tensor]]) -> Callable[[], list[torch.Tensor]]:
    """Returns what lists the weights of embeddings whose output ``enable_input_require_grads`` lets require grad.

    No graph shows that. Where the model is not known, all modules that are alive are looked at, which takes tens of
    milliseconds in a process that has imported transformers.

    Args:
        named_parameters: Not consumed. It tells the model where it is ``model.named_parameters()`` itself.
    """
    model = inspect.getgeneratorlocals(named_parameters).get("self") if inspect.isgenerator(named_parameters) else None
    if isinstance(model, torch.nn.Module):
        return functools.partial(_open_weights, model.modules())
    return lambda: _open_weights(one for one in gc.get_objects() if issubclass(type(one), torch.nn.Module))


def _open_weights(modules: Iterable[torch.nn.Module]) -> list[torch.Tensor]:
    return [parameter for module in modules if _is_opened(module) for parameter in module.parameters(recurse=False)]


def _forward_hooks(module: torch.nn.Module) -> Collection[Any]:
    """Lists the hooks of a module, which may be one that is only half made."""
    hooks = module.__dict__.get("_forward_hooks")
    return hooks.values() if hooks else ()


def check_reentrant(inputs: InputEmbedding, options: Options) -> None:
    """Behind frozen layers, a reentrant checkpoint whose inputs require no grad computes no gradient at all.

    Raises:
        Error: UNIMPLEMENTED, with what to do instead.
    """
    if inputs.is_held_open or inputs.holds(options.pinned):
        return
    raise Error(
        f'method "{options.method}" under checkpoints with use_reentrant=True: once the layers in front of a '
        "checkpoint are frozen, torch computes no gradient within it; use use_reentrant=False (in transformers "
        'gradient_checkpointing_kwargs={"use_reentrant": False}), or name the weight of the input embedding in pinned',
        code="UNIMPLEMENTED",
        field="model",
    )

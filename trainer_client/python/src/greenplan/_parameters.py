"""The tensors that a plan may train, and their ``requires_grad`` flags."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import torch

from greenplan._backward import watched_backward
from greenplan._hooks import removed_afterwards
from greenplan.errors import ArgumentError, Error, unknown_name

logger = logging.getLogger("greenplan")

_MANY = 5


def some_of(names: Collection[str]) -> str:
    """Lists the first few of ``names`` for people."""
    first = ", ".join(list(names)[:_MANY])
    return first if len(names) <= _MANY else f"{first} and {len(names) - _MANY} more"


class Parameters:
    """The candidates of a model: what required grad when it was attached and belongs to the optimizer.

    A candidate is *live* if it requires grad at present. Whatever is no candidate is left alone.

    Attributes:
        candidates: By name, in the order of ``named_parameters()``.
        live: The names of the live ones.
    """

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, was_attached: bool = False) -> None:
        """Finds the candidates.

        Args:
            model: Without what wraps it.
            optimizer: Has to hold all of them.
            was_attached: Whether another session has just been detached, under which the optimizer may have been made.

        Raises:
            ArgumentError: The model has none, or the optimizer lacks some of them.
        """
        self._model = model
        self._optimizer = optimizer
        self._all = dict(model.named_parameters())
        self.candidates = {name: parameter for name, parameter in self._all.items() if parameter.requires_grad}
        if not self.candidates:
            raise ArgumentError(
                f"model ({type(model).__name__}) has no parameter that requires grad; attach before anything is frozen",
                field="model",
            )
        missing = self._outside_optimizer(self.candidates)
        if missing:
            remedy = "make one optimizer of all of them, or let these not require grad while you attach"
            if was_attached:
                remedy = "a former session had frozen some, and is detached now: make the optimizer anew"
            raise ArgumentError(
                f"optimizer lacks {len(missing)} of the {len(self.candidates)} parameters that require grad "
                f"({some_of(missing)}); {remedy}",
                field="optimizer",
            )
        self.live = set(self.candidates)
        self._is_flipped_by_others = hasattr(model, "peft_config")
        self._has_told_of_flips = False
        self._told_of: set[str] = set()
        self._set_others()

    def _set_others(self) -> None:
        self._others = [(name, one) for name, one in self._all.items() if name not in self.candidates]

    def planned(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The candidates, and what is frozen for good."""
        for name, parameter in self._all.items():
            if name in self.candidates or not parameter.requires_grad:
                yield name, parameter

    def check_names(self, field: str, names: Iterable[str]) -> tuple[str, ...]:
        """Returns ``names`` if all are candidates.

        Raises:
            ArgumentError: One is not.
        """
        if isinstance(names, str):
            raise ArgumentError(f'{field} is the string "{names}"; allowed: a list of names', field=field)
        checked = tuple(names)
        for name in checked:
            if name not in self.candidates:
                raise unknown_name(field, name, self.candidates, "names of parameters that require grad")
        return checked

    def check_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Checks that the model's parameters have the names and shapes of those in a session's state.

        Raises:
            Error: FAILED_PRECONDITION naming those that differ.
        """
        now = {name: tuple(parameter.shape) for name, parameter in self._all.items()}
        differing = [name for name in {**self.candidates, **shapes} if now.get(name) != shapes.get(name)]
        if differing:
            raise Error(
                f"the session's state is of another model: it differs in {some_of(differing)}; load it into the model "
                "that it was saved with",
                code="FAILED_PRECONDITION",
                field="profile",
            )

    def set_live(self, names: Collection[str]) -> None:
        """Lets exactly these candidates require grad. The gradients of the others are dropped."""
        self.live = set(names)
        for name, parameter in self.candidates.items():
            is_live = name in self.live
            if parameter.requires_grad != is_live:
                parameter.requires_grad_(is_live)
            if not is_live:
                parameter.grad = None

    def drop_frozen_gradients(self) -> None:
        """A gradient that is left over, or zeros in its place, would move a frozen tensor by momentum and decay."""
        live = self.live
        for name, parameter in self.candidates.items():
            if name not in live and parameter.grad is not None:
                parameter.grad = None

    def drop_gradients(self, names: Iterable[str]) -> None:
        """Drops what a loop has left in place of gradients that a step has not computed, such as zeros."""
        for name in names:
            self.candidates[name].grad = None

    def undo_foreign_flips(self) -> list[str]:
        """Puts the flags of candidates back that somebody else has changed; returns their names."""
        live = self.live
        flipped = [name for name, parameter in self.candidates.items() if parameter.requires_grad != (name in live)]
        for name in flipped:
            self.candidates[name].requires_grad_(name in live)
        self._is_flipped_by_others = self._is_flipped_by_others or bool(flipped)
        if flipped and not self._has_told_of_flips:
            self._has_told_of_flips = True
            logger.warning(
                "greenplan: requires_grad of %d tensors (%s) was changed by something else than the plan and is put "
                "back, now and whenever it happens again; PEFT does this when an adapter is loaded, saved or switched",
                len(flipped),
                some_of(flipped),
            )
        return flipped

    def thawed(self) -> list[str]:
        """Names what is no candidate, but has come to require grad and is in the optimizer: no plan knows of it."""
        found = {name: one for name, one in self._others if one.requires_grad}
        if not found:
            return []
        lacking = self._outside_optimizer(found)
        return [name for name in found if name not in lacking]

    def without_gradient(self) -> list[str]:
        """Names the live candidates that have no gradient."""
        return [name for name, one in self.candidates.items() if name in self.live and one.grad is None]

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Puts flags back before each forward and backward pass while it is entered, if anybody else changes flags.

        DPO on adapters switches them off and on within each step, for its reference.
        """
        if not self._is_flipped_by_others:
            yield
            return

        def before_forward(*_: Any) -> None:
            if torch.is_grad_enabled():
                self.undo_foreign_flips()

        def before_backward(loss: torch.Tensor, run: Callable[[], None]) -> None:
            self.undo_foreign_flips()
            run()

        handles = [self._model.register_forward_pre_hook(before_forward)]
        with removed_afterwards(handles), watched_backward(before_backward):
            yield

    def refresh(self) -> bool:
        """Looks at the model again; returns whether other tensors may be trained than before, and says which.

        Tensors that were added become candidates if they require grad and the optimizer has them; so do those that were
        frozen for good until somebody let them require grad. Those that have gone, because they were tied to others or
        replaced, are no candidates any more.

        Raises:
            ArgumentError: No candidate is left in the model.
        """
        now = dict(self._model.named_parameters())
        added = [name for name, parameter in now.items() if self._all.get(name) is not parameter]
        gone = [name for name, parameter in self._all.items() if now.get(name) is not parameter]
        known = {*self.candidates, *added}
        thawed = [name for name, parameter in now.items() if parameter.requires_grad and name not in known]
        lacking = self._outside_optimizer({name: now[name] for name in (*added, *thawed) if now[name].requires_grad})
        joined = {name for name in (*added, *thawed) if now[name].requires_grad and name not in lacking}
        self._tell_of_lacking(lacking)
        if not added and not gone and not joined:
            return False
        logger.warning(
            "greenplan: the model has other parameters than when it was attached (new: %s; gone: %s; no longer frozen: "
            "%s); it is profiled again",
            some_of(added) or "none",
            some_of(gone) or "none",
            some_of([name for name in thawed if name in joined]) or "none",
        )
        kept = {name for name in self.candidates if name not in gone}
        self._all = now
        self.candidates = {name: parameter for name, parameter in now.items() if name in kept or name in joined}
        self._set_others()
        if not self.candidates:
            raise ArgumentError(
                "model was given parameters that the optimizer does not have, so nothing can be trained; make the "
                "optimizer anew and attach again",
                field="model",
            )
        self.live = {name for name, parameter in self.candidates.items() if parameter.requires_grad}
        return True

    def _tell_of_lacking(self, names: Collection[str]) -> None:
        """Says once of each tensor that it requires grad in vain, unless a second optimizer trains it."""
        new = [name for name in names if name not in self._told_of]
        self._told_of.update(new)
        if new:
            logger.warning(
                "greenplan: the optimizer lacks %s, so no plan trains them, and their gradients are paid for in every "
                "step: add them to it by add_param_group(), unless another optimizer trains them",
                some_of(new),
            )

    def all_gradients_finite(self) -> bool:
        """Whether no gradient of a candidate holds an infinity or a NaN."""
        return all(_is_finite(one.grad) for one in self.candidates.values() if one.grad is not None)

    def has_shards(self) -> bool:
        """Whether tensors are sharded over ranks."""
        return any(hasattr(parameter, "to_local") for parameter in self.candidates.values())

    def live_bytes(self) -> int:
        """Bytes of the gradients of one step."""
        return sum(one.numel() * one.element_size() for name, one in self.candidates.items() if name in self.live)

    def restore(self) -> None:
        """Lets all candidates require grad, as when the model was attached."""
        for parameter in self.candidates.values():
            parameter.requires_grad_(True)
        self.live = set(self.candidates)

    def _outside_optimizer(self, parameters: dict[str, torch.nn.Parameter]) -> list[str]:
        known = {id(parameter) for group in self._optimizer.param_groups for parameter in group["params"]}
        return [name for name, parameter in parameters.items() if id(parameter) not in known]


def _is_finite(gradient: Any) -> bool:
    local = gradient.to_local() if hasattr(gradient, "to_local") else gradient
    if local.is_sparse:
        local = local.coalesce().values()
    return bool(torch.isfinite(local).all())

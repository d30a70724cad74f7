"""Plans within transformers' Trainer and what derives from it, such as TRL's SFTTrainer."""

from __future__ import annotations

import dataclasses
import gc
import json
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import DefaultFlowCallback, ExportableState

from greenplan._options import checked_options
from greenplan._parallel import refuse_unsupported, unwrapped
from greenplan._progress import figures_of, progress_line
from greenplan.errors import ArgumentError, Error
from greenplan.session import Session, detach_session_of


class GreenplanCallback(TrainerCallback, ExportableState):
    """Puts a Trainer's training under plans.

    ::

        trainer = Trainer(..., callbacks=[greenplan.GreenplanCallback(budget=0.5, budget_of="backward")])
        trainer.train()

    Needs no subclass and no loss function: importance comes from the gradients of a round's first step. A round begins
    at the start of each epoch, or every ``plan_every`` optimizer steps. Nothing is frozen before the optimizer exists,
    and flags change between optimizer steps alone. Where a dataset without a length ends within an accumulation, the
    Trainer keeps the gradients, and the next pass goes on with that step; a round of that pass begins with the step
    after it.

    Its state is saved in the Trainer's checkpoints. To resume, set
    ``TrainingArguments(restore_callback_states_from_checkpoint=True)``; the Trainer then makes a callback of its own,
    found in ``trainer.callback_handler.callbacks``.

    Attributes:
        session: The session of the present or last training; None before.
    """

    def __init__(self, **options: Any) -> None:
        """Takes the options of ``greenplan.attach`` by name, but for ``scaler`` and ``total_steps``: the Trainer tells.

        Raises:
            ArgumentError: An option is unknown or out of range, or ``probe`` is "separate", for which a Trainer has no
                loss function.
        """
        checked = checked_options(options)
        if checked.probe != "in-step":
            raise ArgumentError(
                f'probe is "{checked.probe}"; allowed in a Trainer: "in-step", as it has no loss function',
                field="probe",
            )
        try:
            json.dumps(options)
        except TypeError as error:
            raise ArgumentError(
                f"options hold what a checkpoint cannot ({error}); allowed: numbers, strings and lists", field="options"
            ) from None
        self.session: Session | None = None
        self.restored: dict[str, Any] | None = None
        self._options = options
        self._plan_every = checked.plan_every
        self._checked = checked
        self._told = 0
        self._is_resumed = False
        self._is_round_awaited = False  # One that begins once the step in progress has ended.

    def state(self) -> dict[str, Any]:
        """Returns what the Trainer saves with a checkpoint."""
        restored = self.restored if self.session is None else self.session.state_dict()
        return {"args": dict(self._options), "attributes": {"restored": restored}}

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: torch.nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Lets what a training that was broken off has frozen live again, before the Trainer makes its optimizer."""
        if model is not None:
            detach_session_of(unwrapped(model))

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: torch.nn.Module | None = None,
        optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Attaches; the optimizer exists by now."""
        if self.session is not None:
            self.session.detach()
        assert model is not None
        refuse_unsupported(model, will_be_compiled=args.torch_compile)
        if args.n_gpu > 1 and not getattr(model, "is_loaded_in_8bit", False):
            raise Error(
                f"model is wrapped in DataParallel by the Trainer, which sees {args.n_gpu} GPUs; its replicas know no "
                "plan; start one process per GPU by torchrun, or show it one by CUDA_VISIBLE_DEVICES=0",
                code="UNIMPLEMENTED",
                field="model",
            )
        self._check_resume(args, state)
        self._precede_reporters()
        options = dataclasses.replace(self._checked, total_steps=state.max_steps)
        self.session = Session(model, optimizer, options, None)
        self._told = 0
        self._is_round_awaited = False
        self._is_resumed = state.global_step > 0
        if self.restored is not None:
            self.session.load_state_dict(self.restored)
            self._told = len(self.session.history)
            self.restored = None

    def _precede_reporters(self) -> None:
        """Becomes the first of the Trainer's callbacks, so that those which report to others see the figures in logs.

        A Trainer calls the callbacks of ``report_to`` before those it is given, and shows its list to none of them.
        """
        for holder in gc.get_referrers(self):
            if isinstance(holder, list) and any(isinstance(one, DefaultFlowCallback) for one in holder):
                holder.remove(self)
                holder.insert(0, self)

    def _check_resume(self, args: TrainingArguments, state: TrainerState) -> None:
        is_in_checkpoint = type(self).__name__ in (state.stateful_callbacks or {})
        if state.global_step > 0 and self.restored is None and is_in_checkpoint:
            if not args.restore_callback_states_from_checkpoint:
                raise Error(
                    "the checkpoint holds a plan that is not restored; resume with "
                    "TrainingArguments(restore_callback_states_from_checkpoint=True)",
                    code="FAILED_PRECONDITION",
                    field="restore_callback_states_from_checkpoint",
                )

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begins a round if there is one per epoch, and the epoch is not one that a resume goes on with."""
        if self._plan_every == "epoch" and self.session is not None:
            # A dataset without a length may begin anew at any share of what the Trainer takes for an epoch.
            goes_on = self._is_resumed and state.epoch is not None and state.epoch != int(state.epoch)
            self._is_resumed = False
            if goes_on:
                return
            if self.session.is_in_step:
                self._is_round_awaited = True
            else:
                self.session.begin_round()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begins an optimizer step, with all its micro-batches, unless the last pass has left one to go on with."""
        if self.session is not None and not self.session.is_in_step:
            self.session.begin_step()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ends it: a plan that was due holds from this optimizer step on."""
        if self.session is None:
            return
        self.session.end_step()
        if self._is_round_awaited:
            self._is_round_awaited = False
            self.session.begin_round()
        history = self.session.history
        if len(history) > self._told:
            self._told = len(history)
            if state.is_local_process_zero and not args.disable_tqdm:
                _write(progress_line(self.session))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adds the figures of the round in force to what is logged."""
        if self.session is None or not self.session.history or logs is None:
            return
        figures = figures_of(self.session)
        logs.update(figures)
        if state.log_history:
            state.log_history[-1].update(figures)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Lets the model be as before."""
        if self.session is not None:
            self.session.detach()


def _write(line: str) -> None:
    """Writes beside a progress bar."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    tqdm.write(line)

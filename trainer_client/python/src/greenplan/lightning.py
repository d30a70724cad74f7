"""Plans within Lightning's Trainer."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import lightning
import torch

from greenplan._options import checked_options
from greenplan._progress import figures_of, progress_line
from greenplan.errors import ArgumentError, Error
from greenplan.session import Session


class GreenplanCallback(lightning.Callback):
    """Puts the training of a LightningModule under plans.

    ::

        lightning.Trainer(callbacks=[greenplan.lightning.GreenplanCallback(budget=0.5, budget_of="backward")])

    For automatic optimization with one optimizer. A round begins at the start of each epoch, or every ``plan_every``
    optimizer steps; importance comes from the gradients of its first step. The state is saved in Lightning's
    checkpoints and restored from them.

    Attributes:
        session: The session of the present or last fit; None before.
    """

    def __init__(self, **options: Any) -> None:
        """Takes the options of ``greenplan.attach`` by name, but for ``scaler`` and ``total_steps``.

        Raises:
            ArgumentError: An option is unknown or out of range, or ``probe`` is "separate".
        """
        super().__init__()
        self._options = checked_options(options)
        if self._options.probe != "in-step":
            raise ArgumentError(
                f'probe is "{self._options.probe}"; allowed in a Trainer: "in-step", as it has no loss function',
                field="probe",
            )
        self.session: Session | None = None
        self._restored: dict[str, Any] | None = None
        self._has_loss = False  # Of the step: training_step returns None for a batch that is to be skipped.
        self._epoch = -1  # In which the latest round of an epoch began.
        self._told = 0

    def state_dict(self) -> dict[str, Any]:
        """Returns what Lightning saves with a checkpoint."""
        return {} if self.session is None else {"epoch": self._epoch, "session": self.session.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keeps what a checkpoint holds until training starts and model and optimizer have their states."""
        self._restored = state_dict or None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Attaches; the optimizer exists by now."""
        if self.session is not None:
            self.session.detach()
        if not pl_module.automatic_optimization or len(trainer.optimizers) != 1:
            raise Error(
                f"the module has {len(trainer.optimizers)} optimizers, automatic_optimization="
                f"{pl_module.automatic_optimization}; allowed: one optimizer under automatic optimization; for others "
                "use greenplan.attach in training_step",
                code="UNIMPLEMENTED",
                field="pl_module",
            )
        model = trainer.model if isinstance(trainer.model, torch.nn.Module) else pl_module
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        total_steps = trainer.estimated_stepping_batches
        options = dataclasses.replace(
            self._options, total_steps=int(total_steps) if math.isfinite(total_steps) else None
        )
        self.session = Session(model, trainer.optimizers[0], options, scaler)
        self._epoch = -1
        self._told = 0
        if self._restored is not None:
            self._epoch = self._restored["epoch"]
            self.session.load_state_dict(self._restored["session"])
            self._told = len(self.session.history)
            self._restored = None

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begins a round if there is one per epoch, unless a resume goes on within the epoch."""
        if self.session is None:
            return
        if (
            self.session.is_in_step
        ):  # on_train_batch_start has ended the last epoch; Lightning clears the gradients it left.
            self.session.abandon_step()
        if trainer.current_epoch != self._epoch:
            self._epoch = trainer.current_epoch
            if self._options.plan_every == "epoch":
                self.session.begin_round()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begins an optimizer step with its first micro-batch."""
        if self.session is not None and not self.session.is_in_step:
            self.session.begin_step()
            self._has_loss = False

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: torch.Tensor
    ) -> None:
        """Notes that there is something to measure."""
        self._has_loss = True

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Ends it: a plan that was due holds from this optimizer step on."""
        if self.session is None:
            return
        if not self._has_loss:
            self.session.abandon_step()
            return
        self.session.end_step()
        if len(self.session.history) > self._told:
            self._told = len(self.session.history)
            lightning.pytorch.utilities.rank_zero_info(progress_line(self.session))
        if self.session.history:
            pl_module.log_dict(figures_of(self.session))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lets the model be as before."""
        if self.session is not None:
            self.session.detach()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Lets the model be as before when training is interrupted."""
        if self.session is not None:
            self.session.detach()

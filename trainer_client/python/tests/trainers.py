"""A small transformers.Trainer on random tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
import transformers

import greenplan
import hf_models
from flops import count

ROWS, LENGTH = 24, 9


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows: int = ROWS) -> None:
        generator = torch.Generator().manual_seed(5)
        self.ids = torch.randint(3, hf_models.VOCABULARY, (rows, LENGTH), generator=generator)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.ids[index], "labels": self.ids[index]}


def trainer(
    folder, model=None, callback=None, callbacks=(), rows=ROWS, dataset=None, **arguments
) -> transformers.Trainer:
    """Six optimizer steps an epoch, two epochs, unless said otherwise."""
    model = hf_models.build("llama", "sdpa").model if model is None else model
    if callback is None:
        callback = made()
    defaults = {
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "learning_rate": 0.01,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 3,
        "restore_callback_states_from_checkpoint": True,
    }
    args = transformers.TrainingArguments(output_dir=str(folder), **{**defaults, **arguments})
    return transformers.Trainer(
        model,
        args,
        train_dataset=Rows(rows) if dataset is None else dataset,
        eval_dataset=Rows(rows),
        callbacks=[callback, *callbacks],
    )


class Batches(torch.utils.data.Dataset):
    """The rows of one batch, over and over."""

    def __init__(self, batch: dict[str, torch.Tensor], rows: int = ROWS) -> None:
        self.batch, self.rows = batch, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: value[index % len(value)] for name, value in self.batch.items()}


@contextlib.contextmanager
def every_backward_counted(session: Callable[[], greenplan.Session]) -> Iterator[list[tuple[int, int]]]:
    """Counts what each backward executes while it is entered, where a plan is in force.

    Yields:
        The FLOPs that each executed and those that the session predicts for it.
    """
    counted: list[tuple[int, int]] = []
    original = torch.autograd.backward
    is_inside = False  # Reentrant checkpoints call it within.

    def backward(*args, **kwargs) -> None:
        nonlocal is_inside
        if is_inside:
            original(*args, **kwargs)
            return
        is_inside = True
        try:
            executed = count(lambda: original(*args, **kwargs))
        finally:
            is_inside = False
        applied = session()._execution.applied
        if applied is not None and not session()._is_probing:
            counted.append((executed, session().profile.step_cost(applied.live, applied.dropped)))

    torch.autograd.backward = backward
    try:
        yield counted
    finally:
        torch.autograd.backward = original


def made(**options) -> greenplan.GreenplanCallback:
    return greenplan.GreenplanCallback(**{"budget": 0.5, "budget_of": "backward", **options})


class Watcher(transformers.TrainerCallback):
    """Looks at every optimizer step."""

    def __init__(self) -> None:
        self.steps: list[dict] = []
        self.before: dict[str, torch.Tensor] = {}

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        self.flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}

    def on_substep_end(self, args, state, control, model=None, **kwargs):
        assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == self.flags

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        live = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        self.steps.append({"live": live, "with_gradient": with_gradient})

    def on_optimizer_step(self, args, state, control, model=None, **kwargs):
        now = dict(model.named_parameters())
        self.steps[-1]["moved"] = {name for name, old in self.before.items() if not torch.equal(old, now[name])}


def session_of(run: transformers.Trainer) -> greenplan.Session:
    """The session of the callback, which the Trainer has replaced if it resumed."""
    callbacks = run.callback_handler.callbacks
    return next(one.session for one in callbacks if isinstance(one, greenplan.GreenplanCallback))

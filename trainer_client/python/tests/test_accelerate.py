"""A session in a loop of accelerate."""

from __future__ import annotations

import accelerate
import pytest
import torch

import greenplan
import hf_models
from trainers import Rows

EPOCHS, ROWS = 2, 20


def trained(accumulation=1, **options):
    """Trains as accelerate's guide says; returns the session and what each optimizer step moved."""
    torch.manual_seed(2)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulation)
    model = hf_models.build("llama", "sdpa").model
    loader = torch.utils.data.DataLoader(Rows(ROWS), batch_size=4)
    model, optimizer, loader = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=0.01), loader)
    session = greenplan.attach(model, optimizer, **{"budget": 0.5, "budget_of": "backward", **options})
    moved = []
    for _ in range(EPOCHS):
        session.begin_round()
        for batch in loader:
            with accelerator.accumulate(model):
                with session.step(ends=accelerator.sync_gradients):
                    accelerator.backward(model(**batch).loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
                optimizer.step()
                optimizer.zero_grad()
                moved.append({name for name, one in model.named_parameters() if not torch.equal(before[name], one)})
    return session, [names for names in moved if names]


@pytest.mark.parametrize("accumulation, steps_per_epoch", [(1, 5), (2, 3)])
def test_trains_what_the_plan_says_and_nothing_else(accumulation, steps_per_epoch):
    session, moved = trained(accumulation)
    assert session.steps == len(moved) == EPOCHS * steps_per_epoch
    assert [entry["step"] for entry in session.history] == [0, steps_per_epoch]
    for step, names in enumerate(moved):
        assert names <= set(session.history[step // steps_per_epoch]["trainable"])
    for entry in session.history:
        assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]


def test_drops_the_same_blocks_in_all_micro_batches_of_a_step():
    session, moved = trained(2, method="drop", budget=0.6, seed=4)
    assert len({frozenset(names) for names in moved}) > 2
    assert session.history[-1]["executed_backward_flops"] is not None
    assert not session.mismatches


def test_the_scaler_of_accelerates_optimizer_is_known():
    accelerate.Accelerator(cpu=True)  # Makes the state that its optimizers look at.
    values = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=64.0)):
        model = hf_models.build("llama", "sdpa")
        optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
        optimizer = accelerate.optimizer.AcceleratedOptimizer(optimizer, device_placement=False, scaler=scaler)
        session = greenplan.attach(model.model, optimizer, budget=0.5)
        with session.step():
            (model.loss() if scaler is None else scaler.scale(model.loss())).backward()
        values.append(session.plan.value)
    assert values[1] == pytest.approx(values[0], rel=1e-5)


def test_a_step_in_parts_is_abandoned_as_a_whole_and_waits_for_its_end():
    model = hf_models.build("llama", "sdpa")
    session = greenplan.attach(model.model, torch.optim.AdamW(model.model.parameters()), budget=0.5)
    with session.step(ends=False):
        model.loss().backward()
    with pytest.raises(greenplan.Error, match="a step waits for more micro-batches"):
        session.begin_round()
    with pytest.raises(RuntimeError, match="my own"), session.step(ends=False):
        raise RuntimeError("my own")
    assert session.steps == 0
    for is_last in (False, True):
        with session.step(ends=is_last):
            model.loss().backward()
    assert (session.steps, len(session.history)) == (1, 1)

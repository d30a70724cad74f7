"""greenplan.lightning.GreenplanCallback."""

from __future__ import annotations

import pytest
import torch

import hf_models
from trainers import Rows

lightning = pytest.importorskip("lightning")

import greenplan  # noqa: E402
from greenplan.lightning import GreenplanCallback  # noqa: E402


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = hf_models.build("llama", "sdpa").model
        self.losses, self.moved = [], []

    def training_step(self, batch, index):
        loss = self.model(**batch).loss
        self.losses.append(float(loss.detach()))
        return loss

    def optimizer_step(self, *args, **kwargs):
        before = {name: parameter.detach().clone() for name, parameter in self.named_parameters()}
        super().optimizer_step(*args, **kwargs)
        self.moved.append({name for name, p in self.named_parameters() if not torch.equal(before[name], p)})

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)

    def train_dataloader(self):
        return torch.utils.data.DataLoader(Rows(), batch_size=4)


def fitted(folder, callback, module=None, checkpoint=None, saves=None, **options):
    module = Module() if module is None else module
    defaults = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    defaults |= {"enable_model_summary": False, "enable_checkpointing": False, "default_root_dir": str(folder)}
    trainer = lightning.Trainer(callbacks=[callback, *([saves] if saves else [])], **{**defaults, **options})
    trainer.fit(module, ckpt_path=checkpoint)
    return module, trainer


class Skips(Module):
    """Returns None for a batch that is to be skipped."""

    skipped: tuple[int, ...] = ()

    def training_step(self, batch, index):
        loss = super().training_step(batch, index)
        return None if len(self.losses) - 1 in self.skipped else loss


def test_a_batch_that_is_skipped_is_no_step(tmp_path, caplog):
    module, callback = Skips(), GreenplanCallback(budget=0.5, budget_of="backward")
    module.skipped = (0, 3, 6)  # The first of each epoch would have measured.
    fitted(tmp_path, callback, module)
    assert [entry["step"] for entry in callback.session.history] == [0, 4]
    assert callback.session.steps == 9
    assert not callback.session.mismatches
    assert not [record for record in caplog.records if record.name == "greenplan"]


class EndsEpochs(Module):
    """Ends each epoch at a batch before its last one."""

    last = 4

    def on_train_batch_start(self, batch, index):
        return -1 if index == self.last else None


@pytest.mark.parametrize(
    "last, micro_batches, plan_every, rounds, steps",
    [
        (4, 1, "epoch", [0, 4, 8, 12], 16),
        (4, 1, 3, [0, 3, 6, 9, 12, 15], 16),
        (4, 2, "epoch", [0, 2, 4, 6], 8),  # At the first micro-batch of a step.
        (3, 2, "epoch", [0, 1, 2, 3], 4),  # At its second one: Lightning clears the gradients of the first.
        (3, 2, 2, [0, 2], 4),
    ],
)
@pytest.mark.parametrize("method", ["selection", "joint"])
def test_epochs_that_the_module_ends_early_begin_their_rounds(
    tmp_path, method, last, micro_batches, plan_every, rounds, steps
):
    options = {"budget": 0.5, "budget_of": "backward", "method": method, "uniform_until": 0}
    callback = GreenplanCallback(plan_every=plan_every, **options)
    module = EndsEpochs()
    module.last = last
    fitted(tmp_path, callback, module, max_epochs=4, accumulate_grad_batches=micro_batches)
    session = callback.session
    assert [entry["step"] for entry in session.history] == rounds
    assert session.steps == steps
    assert not session.mismatches
    for step, moved in enumerate(module.moved):
        latest = max(number for number, begun in enumerate(rounds) if begun <= step)
        assert moved <= set(session.history[latest]["trainable"])
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    "options", [{}, {"accumulate_grad_batches": 2}, {"gradient_clip_val": 0.1}, {"precision": "bf16-mixed"}], ids=str
)
def test_trains_what_the_plan_says_and_nothing_else(tmp_path, options):
    callback = GreenplanCallback(budget=0.5, budget_of="backward")
    module, trainer = fitted(tmp_path, callback, **options)
    history = callback.session.history
    assert [entry["round"] for entry in history] == [0, 1]
    for entry in history:
        assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]
    per_epoch = len(module.moved) // 2
    for step, moved in enumerate(module.moved):
        assert moved <= set(history[step // per_epoch]["trainable"])
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert 0 < float(trainer.callback_metrics["greenplan/executed_share"]) <= 0.5


@pytest.mark.parametrize("options", [{"accumulate_grad_batches": 2}, {"precision": "bf16-mixed"}], ids=str)
def test_drops_blocks(tmp_path, options):
    callback = GreenplanCallback(budget=0.6, budget_of="backward", method="joint", plan_every=2, seed=4)
    module, _ = fitted(tmp_path, callback, **options)
    session = callback.session
    assert not session.mismatches
    assert any(entry["executed_backward_flops"] for entry in session.history)
    assert all(entry["expected_backward_flops"] <= 0.6 * entry["full_backward_flops"] for entry in session.history)
    assert len({frozenset(moved) for moved in module.moved}) > 2


def test_rates_are_allocated_by_sensitivity_after_a_tenth_of_all_steps(tmp_path):
    callback = GreenplanCallback(budget=0.6, budget_of="backward", method="drop")
    fitted(tmp_path, callback)
    history = callback.session.history
    assert [entry["step"] for entry in history] == [0, 2, 6]  # Of twelve.
    assert [len(set(entry["drop_rates"].values())) > 1 for entry in history] == [False, True, True]


def test_resume_goes_on_bit_for_bit(tmp_path):
    def callback():
        # A share of all steps would be another one in the run of two epochs.
        return GreenplanCallback(method="joint", budget=0.5, plan_every=5, uniform_until=0)

    expected, _ = fitted(tmp_path, callback())
    saving = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, every_n_epochs=1)
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback(), saving],
    )
    trainer.fit(module)
    again, _ = fitted(tmp_path, callback(), checkpoint=str(next(tmp_path.glob("*.ckpt"))))
    assert again.losses == expected.losses[6:]


def test_resume_within_an_epoch_goes_on_with_its_round(tmp_path):
    saving = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, every_n_train_steps=4, save_top_k=-1)
    first = GreenplanCallback(budget=0.5, budget_of="backward")
    fitted(tmp_path, first, enable_checkpointing=True, max_epochs=1, saves=saving)
    again = GreenplanCallback(budget=0.5, budget_of="backward")
    module, _ = fitted(tmp_path, again, checkpoint=str(next(tmp_path.glob("*step=4*.ckpt"))), max_epochs=1)
    assert [entry["digest"] for entry in again.session.history] == [entry["digest"] for entry in first.session.history]
    assert again.session.steps == 4 + len(module.losses)


def test_a_fit_that_raises_lets_the_model_be_as_before(tmp_path):
    class Raising(Module):
        def training_step(self, batch, index):
            if index == 3:
                raise RuntimeError("my own")
            return super().training_step(batch, index)

    module, callback = Raising(), GreenplanCallback(budget=0.5, budget_of="backward")
    with pytest.raises(RuntimeError, match="my own"):
        fitted(tmp_path, callback, module)
    assert callback.session.plan is not None and not callback.session.is_attached
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_importance_under_a_scaler_is_that_of_the_loss_itself(tmp_path):
    values = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=64.0)):
        plugin = lightning.pytorch.plugins.MixedPrecision("16-mixed", "cpu", scaler) if scaler else None
        callback = GreenplanCallback(budget=0.5, budget_of="backward")
        fitted(tmp_path, callback, plugins=[plugin] if plugin else None, max_epochs=1)
        values.append(callback.session.history[0]["value"])
    assert values[1] == pytest.approx(values[0], rel=0.05)  # In half precision.


def test_manual_optimization_is_refused(tmp_path):
    module = Module()
    module.automatic_optimization = False
    with pytest.raises(greenplan.Error, match="allowed: one optimizer under automatic optimization"):
        fitted(tmp_path, GreenplanCallback(budget=0.5), module)

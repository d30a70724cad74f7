"""GreenplanCallback in transformers.Trainer."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
import transformers

import greenplan
import hf_models
from test_peft import quantised
from trainers import Batches, Rows, Watcher, every_backward_counted, made, session_of, trainer


def trained(folder, **arguments):
    watcher = Watcher()
    run = trainer(folder, callbacks=[watcher], **arguments)
    run.train()
    return run, watcher


def check_only_the_plan_moves(session, watcher):
    history = {entry["step"]: set(entry["trainable"]) for entry in session.history}
    trainable = None
    for number, step in enumerate(watcher.steps):
        trainable = history.get(number, trainable)
        assert step["moved"] <= step["with_gradient"] <= trainable
        assert step["live"] == trainable
    assert any(step["moved"] == step["live"] for step in watcher.steps)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"gradient_accumulation_steps": 3},
        {"max_grad_norm": 0.1},
        {"max_grad_norm": 0.0},
        {"bf16": True},
        {"gradient_checkpointing": True},
        {"optim": "adamw_torch", "weight_decay": 0.1},
        {"optim": "sgd", "optim_args": "momentum=0.9"},
        {"optim": "adafactor"},
        {"average_tokens_across_devices": False, "lr_scheduler_type": "constant"},
    ],
    ids=str,
)
def test_trains_what_the_plan_says_and_nothing_else(tmp_path, arguments):
    if arguments.get("optim") == "adafactor":
        run = trainer(tmp_path, **arguments)
        with pytest.raises(greenplan.Error, match="optimizer is Adafactor; allowed: AdamW, Adam"):
            run.train()
        assert all(parameter.requires_grad for parameter in run.model.parameters())
        return
    run, watcher = trained(tmp_path, **arguments)
    session = session_of(run)
    assert [entry["round"] for entry in session.history] == [0, 1]
    check_only_the_plan_moves(session, watcher)
    for entry in session.history:
        assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]
        assert entry["predicted_backward_flops"] <= 0.5 * entry["full_backward_flops"]
    assert all(parameter.requires_grad for parameter in run.model.parameters())


def test_the_trainer_without_plans_trains_the_same_under_method_full(tmp_path):
    losses = []
    for callback in (made(method="full", budget=None), transformers.TrainerCallback()):
        run = trainer(tmp_path, callback=callback)
        run.train()
        losses.append([entry["loss"] for entry in run.state.log_history if "loss" in entry])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "method, arguments",
    [
        ("drop", {}),
        ("joint", {}),
        ("drop", {"gradient_accumulation_steps": 2, "max_grad_norm": 0.1}),
        ("joint", {"bf16": True}),
        ("drop", {"gradient_checkpointing": True}),
        ("drop", {"optim": "adamw_bnb_8bit"}),
    ],
    ids=str,
)
def test_drops_blocks(tmp_path, method, arguments):
    if "bnb" in arguments.get("optim", ""):
        pytest.importorskip("bitsandbytes")
    run, watcher = trained(tmp_path, callback=made(method=method, budget=0.6, seed=4), **arguments)
    session = session_of(run)
    assert len({frozenset(step["with_gradient"]) for step in watcher.steps}) > 2
    for entry in session.history:
        assert entry["expected_backward_flops"] <= 0.6 * entry["full_backward_flops"]
    assert session.history[-1]["executed_backward_flops"] is not None
    assert not session.mismatches


@pytest.mark.parametrize(
    "family, use_reentrant, method, bf16",
    [
        ("whisper", False, "drop", True),
        ("whisper", True, "drop", True),
        ("whisper", False, "joint", False),
        ("t5", False, "drop", False),
        ("t5", True, "drop", False),
        ("bart", True, "drop", False),
    ],
)
def test_every_step_of_an_encoder_and_decoder_under_checkpoints(tmp_path, family, use_reentrant, method, bf16):
    built = hf_models.build(family, "eager" if family == "t5" else "sdpa")
    run = trainer(
        tmp_path,
        model=built.model,
        callback=made(method=method, budget=0.6, seed=6),
        num_train_epochs=4,
        dataset=Batches(built.batch),
        bf16=bf16,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": use_reentrant},
    )
    with every_backward_counted(lambda: session_of(run)) as counted:
        run.train()
    assert len(counted) == run.state.global_step - len(session_of(run).history)  # The first step of a round measures.
    assert len(set(counted)) > 2
    assert [executed for executed, _ in counted] == [predicted for _, predicted in counted]
    assert not session_of(run).mismatches


def test_the_figures_are_in_the_logs_and_a_line_is_written_per_round(tmp_path, capsys):
    run, _ = trained(tmp_path, disable_tqdm=False)
    logged = [entry for entry in run.state.log_history if "loss" in entry]
    assert all(0 < entry["greenplan/executed_share"] <= 0.5 for entry in logged)
    assert [entry["greenplan/round"] for entry in logged] == [0] * 6 + [1] * 6
    assert logged[0]["greenplan/value"] > 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("greenplan: round")]
    assert len(lines) == 2
    assert "tensors train, " in lines[0] and "of full backward" in lines[0]


class Reporter(transformers.TrainerCallback):
    """What ``report_to`` names, such as the callback of W&B."""

    def __init__(self):
        self.logs, self.begun = [], 0

    def on_train_begin(self, args, state, control, **kwargs):
        self.begun += 1

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.logs.append(dict(logs))


def test_reporters_that_the_trainer_calls_first_see_the_figures(tmp_path):
    for checkpoint in (None, str(tmp_path / "checkpoint-4")):  # A resume makes another callback, and puts it last.
        run = trainer(tmp_path, save_strategy="steps", save_steps=4)
        first, last = Reporter(), Reporter()
        run.callback_handler.callbacks.insert(1, first)
        run.add_callback(last)
        run.train(resume_from_checkpoint=checkpoint)
        for reporter in (first, last):
            assert reporter.begun == 1
            assert reporter.logs and all("greenplan/executed_share" in logs for logs in reporter.logs)


def test_plans_every_so_many_steps(tmp_path):
    run, _ = trained(tmp_path, callback=made(plan_every=5))
    session = session_of(run)
    assert [entry["step"] for entry in session.history] == [0, 5, 10]


class Stream(torch.utils.data.IterableDataset):
    """Rows whose number is not known; those of three batches, unless said otherwise."""

    def __init__(self, rows=12):
        self.rows = rows

    def __iter__(self):
        return iter(Rows(self.rows))


def test_each_pass_over_a_dataset_without_a_length_begins_a_round(tmp_path):
    run = trainer(tmp_path, max_steps=8)
    run.train_dataset = Stream()
    run.train()
    assert [entry["step"] for entry in session_of(run).history] == [0, 3, 6]


@pytest.mark.parametrize(
    "batches, method, options, rounds",
    [
        # Each pass leaves one micro-batch to the first step of the next one.
        (5, "selection", {}, [0, 3, 5]),
        (5, "joint", {"uniform_until": 0}, [0, 3, 5]),
        (5, "selection", {"plan_every": 2}, [0, 2, 4]),
        # Passes of one step: the micro-batch that is left belongs to a step that measures.
        (3, "selection", {}, [0, 2, 3, 4, 5]),
    ],
)
def test_a_pass_that_ends_within_an_accumulation_leaves_its_step_to_the_next_one(
    tmp_path, batches, method, options, rounds
):
    run, watcher = trained(
        tmp_path,
        callback=made(method=method, budget=0.6, **options),
        dataset=Stream(4 * batches),
        max_steps=6,
        gradient_accumulation_steps=2,
        eval_strategy="epoch",
    )
    session = session_of(run)
    assert run.state.global_step == session.steps == 6
    assert [entry["step"] for entry in session.history] == rounds
    check_only_the_plan_moves(session, watcher)
    assert not session.mismatches
    assert all(parameter.requires_grad for parameter in run.model.parameters())


def test_an_evaluation_in_the_middle_of_a_round_changes_nothing(tmp_path):
    callback = made(method="joint", budget=0.5)
    run = trainer(tmp_path, callback=callback, eval_strategy="steps", eval_steps=2)
    run.train()
    evaluated = [entry for entry in run.state.log_history if "eval_loss" in entry]
    assert len(evaluated) == 6
    assert callback.session.steps == 12
    assert callback.session.history[-1]["steps"] == 5


def test_a_last_batch_of_another_shape(tmp_path):
    run, _ = trained(tmp_path, rows=22, callback=made(plan_every=6))
    session = session_of(run)
    assert session.steps == 12
    assert not session.mismatches


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def losses(run):
    return {entry["step"]: entry["loss"] for entry in run.state.log_history if "loss" in entry}


@pytest.mark.parametrize("method", ["selection", "joint"])
def test_resume_goes_on_bit_for_bit(tmp_path, method):
    run = trainer(tmp_path, callback=made(method=method), save_strategy="steps", save_steps=4)
    run.train()
    expected, history = losses(run), session_of(run).history
    for checkpoint in checkpoints(tmp_path)[:2]:  # In the middle of either epoch.
        again = trainer(tmp_path, callback=made(method=method), num_train_epochs=2)
        again.train(resume_from_checkpoint=str(checkpoint))
        assert losses(again) == expected
        session = session_of(again)
        assert [entry["digest"] for entry in session.history] == [entry["digest"] for entry in history]
        assert len(again.optimizer.param_groups[0]["params"]) > 0
        assert again.lr_scheduler.optimizer is again.optimizer or again.lr_scheduler.optimizer.optimizer


def test_resume_within_a_pass_over_a_dataset_without_a_length_goes_on_with_its_round(tmp_path):
    """Beyond the first pass the Trainer itself finds no batch to go on with."""
    runs = [trainer(tmp_path, max_steps=8, save_strategy="steps", save_steps=2) for _ in range(2)]
    for run, checkpoint in zip(runs, (None, str(tmp_path / "checkpoint-2")), strict=True):
        run.train_dataset = Stream()
        run.train(resume_from_checkpoint=checkpoint)
    assert losses(runs[0]) == losses(runs[1])
    rounds = [[(entry["step"], entry["digest"]) for entry in session_of(run).history] for run in runs]
    assert rounds[0] == rounds[1]
    assert [step for step, _ in rounds[1]] == [0, 3, 6]


def test_after_a_resume_earlier_rounds_are_not_told_again_and_another_training_begins_anew(tmp_path, capsys):
    trainer(tmp_path, save_strategy="steps", save_steps=4).train()
    again = trainer(tmp_path, disable_tqdm=False)
    again.train(resume_from_checkpoint=str(checkpoints(tmp_path)[0]))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("greenplan: round")]
    assert len(lines) == 1 and lines[0].startswith("greenplan: round 1 at step 6")
    again.train()
    assert [entry["step"] for entry in session_of(again).history] == [0, 6]
    assert session_of(again).steps == 12


def test_the_checkpoint_keeps_the_state_of_frozen_tensors(tmp_path):
    run = trainer(tmp_path, callback=made(plan_every=2), save_strategy="steps", save_steps=5)
    run.train()
    saved = torch.load(checkpoints(tmp_path)[0] / "optimizer.pt", weights_only=True)
    plans = [set(entry["trainable"]) for entry in session_of(run).history if entry["step"] < 5]
    assert len(set.union(*plans)) > len(plans[-1])
    assert len(saved["state"]) == len(set.union(*plans))
    assert all(float(state["step"]) >= 1 for state in saved["state"].values())
    assert all(group["params"] for group in saved["param_groups"])


def test_resume_without_the_callbacks_state_says_what_to_set(tmp_path):
    run = trainer(tmp_path, save_strategy="steps", save_steps=4)
    run.train()
    again = trainer(tmp_path, restore_callback_states_from_checkpoint=False)
    with pytest.raises(greenplan.Error, match="restore_callback_states_from_checkpoint=True"):
        again.train(resume_from_checkpoint=str(checkpoints(tmp_path)[0]))


def test_rates_are_allocated_by_sensitivity_after_a_tenth_of_all_steps(tmp_path):
    run = trainer(tmp_path, callback=made(method="drop", budget=0.6))
    run.train()
    history = session_of(run).history
    assert [entry["step"] for entry in history] == [0, 2, 6]  # Of twelve.
    assert [len(set(entry["drop_rates"].values())) > 1 for entry in history] == [False, True, True]
    assert all(entry["executed_backward_flops"] is not None for entry in history)
    assert not session_of(run).mismatches


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "sgd", "adamw_bnb_8bit"])
def test_a_learning_rate_that_rises_from_0_does_not_make_everything_worthless(tmp_path, optim):
    """Its first step changes nothing, but the plan made in it holds for an epoch."""
    run, watcher = trained(tmp_path, warmup_steps=3, optim=optim)
    assert not watcher.steps[0]["moved"] and watcher.steps[1]["moved"]
    for entry in session_of(run).history:
        assert entry["trainable"] and entry["value"] > 0
        assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]


def test_a_warm_up_round_trains_everything_for_an_epoch(tmp_path):
    watcher = Watcher()
    run = trainer(tmp_path, callback=made(warmup_rounds=1), callbacks=[watcher])
    run.train()
    assert [entry["step"] for entry in session_of(run).history] == [6]
    everything = watcher.steps[0]["live"]
    assert [step["live"] == everything for step in watcher.steps] == [True] * 6 + [False] * 6


def test_a_model_that_the_trainer_compiles_is_refused_before_its_first_step(tmp_path):
    run = trainer(tmp_path, torch_compile=True, torch_compile_backend="eager")
    with pytest.raises(greenplan.Error, match="compiled by torch.compile, whose graphs keep the flags") as raised:
        run.train()
    assert raised.value.code == "UNIMPLEMENTED"


def test_a_trainer_that_sees_several_gpus_in_one_process_is_refused(tmp_path):
    run = trainer(tmp_path)
    run.args._n_gpu = 2
    with pytest.raises(greenplan.Error, match="sees 2 GPUs.*one process per GPU by torchrun"):
        run.train()
    assert all(parameter.requires_grad for parameter in run.model.parameters())


class Refused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_a_refusal_leaves_model_and_torch_as_they_were(tmp_path):
    backward = torch.autograd.backward
    model = hf_models.build("llama", "sdpa").model
    hook = model.model.norm.register_forward_hook(lambda module, args, output: Refused.apply(output))
    refused = trainer(tmp_path, model=model)
    with pytest.raises(greenplan.Error, match="RefusedBackward is a custom torch.autograd.Function"):
        refused.train()
    hook.remove()
    assert torch.autograd.backward is backward
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_training_that_was_interrupted_can_be_done_again_by_another_trainer(tmp_path):
    class Interrupts(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise KeyboardInterrupt

    model = hf_models.build("llama", "sdpa").model
    interrupted = trainer(tmp_path, model=model, callback=made(method="joint"), callbacks=[Interrupts()])
    with pytest.raises(KeyboardInterrupt):
        interrupted.train()
    run = trainer(tmp_path, model=model)
    run.train()
    assert set(session_of(run).profile.trainable_names) == {name for name, _ in model.named_parameters()}
    assert not session_of(run).mismatches
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_second_train_call_begins_anew(tmp_path):
    run = trainer(tmp_path, num_train_epochs=1)
    run.train()
    run.train()
    assert len(session_of(run).history) == 1


def test_a_separate_probe_is_refused_as_a_trainer_has_no_loss_function():
    with pytest.raises(ValueError, match='probe is "separate"; allowed in a Trainer: "in-step"'):
        made(probe="separate")
    with pytest.raises(ValueError, match="did you mean"):
        made(budgets=0.5)


def adapted(checkpointing=None):
    base = hf_models.build("llama", "sdpa").model
    config = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    return peft.get_peft_model(base, config)


@pytest.mark.parametrize("method", ["selection", "drop", "joint"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_lora(tmp_path, method, checkpointing):
    run, watcher = trained(
        tmp_path, model=adapted(), callback=made(method=method, budget=0.7), gradient_checkpointing=checkpointing
    )
    session = session_of(run)
    assert all("lora_" in name for entry in session.history for name in entry["trainable"])
    assert all("lora_" in name for step in watcher.steps for name in step["moved"])
    assert len(session.profile.blocks) == 4
    assert all(entry["executed_backward_flops"] is not None for entry in session.history)
    assert not session.mismatches
    assert all(parameter.requires_grad == ("lora_" in name) for name, parameter in run.model.named_parameters())


@pytest.mark.parametrize("bits", [4, 8])
def test_adapters_on_quantised_weights(tmp_path, bits):
    base = hf_models.build("llama", "sdpa", hidden_size=64, intermediate_size=64).model
    config = peft.LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(quantised(base, bits), config)
    run, watcher = trained(tmp_path, model=model, callback=made(method="joint", budget=0.7))
    assert all("lora_" in name for step in watcher.steps for name in step["moved"])
    assert all(entry["executed_backward_flops"] is not None for entry in session_of(run).history)
    assert not session_of(run).mismatches


def test_the_8_bit_optimizer_of_bitsandbytes(tmp_path):
    pytest.importorskip("bitsandbytes")
    run, watcher = trained(tmp_path, optim="adamw_bnb_8bit")
    assert type(run.optimizer.optimizer).__module__.startswith("bitsandbytes")
    check_only_the_plan_moves(session_of(run), watcher)


def test_the_callbacks_state_is_json(tmp_path):
    callback = greenplan.GreenplanCallback(budget=0.5, pinned=["lm_head.weight"])
    json.dumps(callback.state())


@pytest.mark.parametrize("family, noise", [("llama", 5.0), ("t5", None)])
def test_spares_frozen_layers_whatever_is_done_to_opened_embeddings(tmp_path, family, noise):
    """NEFTune adds noise to the output that checkpointing opens; T5 has two embedding modules, which share a weight."""
    run = trainer(
        tmp_path,
        hf_models.build(family).model,
        num_train_epochs=1,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        neftune_noise_alpha=noise,
    )
    run.train()
    session = session_of(run)
    entry = session.history[0]
    assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]
    assert not session.mismatches

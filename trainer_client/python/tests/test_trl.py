"""TRL's trainers, which are transformers.Trainers, some with a fused head of their own."""

from __future__ import annotations

import random

import peft
import pytest
import torch
import transformers

import greenplan
import hf_models
from flops import count

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"<pad>": 0, "</s>": 2, **{str(token): token for token in range(3, hf_models.VOCABULARY)}}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")


@pytest.mark.parametrize("method", ["selection", "drop"])
def test_the_callback_in_an_sft_trainer(tmp_path, method):
    rows = datasets.Dataset.from_dict({"input_ids": torch.randint(3, hf_models.VOCABULARY, (24, 9)).tolist()})
    callback = greenplan.GreenplanCallback(budget=0.5, budget_of="backward", method=method)
    settings = trl.SFTConfig(
        output_dir=str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
        bf16=False,
    )
    model = hf_models.build("llama", "sdpa").model
    trl.SFTTrainer(model, settings, train_dataset=rows, processing_class=tokenizer(), callbacks=[callback]).train()
    entry = callback.session.history[-1]
    # With drop rates the prediction is the mean over the round's steps, of which one is counted.
    assert method == "drop" or entry["executed_backward_flops"] == entry["predicted_backward_flops"]
    assert entry["executed_backward_flops"] is not None
    assert not callback.session.mismatches


@pytest.mark.parametrize("adapts", [False, True])
def test_the_callback_in_a_dpo_trainer(tmp_path, adapts):
    """With a reference model, and with adapters that are switched off for the reference within each step."""
    draws = random.Random(1)
    columns = {
        name: ["".join(f" {draws.randint(3, 30)}" for _ in range(6)) for _ in range(16)]
        for name in ("prompt", "chosen", "rejected")
    }
    callback = greenplan.GreenplanCallback(budget=0.7, budget_of="backward")
    settings = trl.DPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        gradient_checkpointing=adapts,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
        bf16=False,
        num_train_epochs=2,
    )
    executed = []

    class Counted(trl.DPOTrainer):
        def training_step(self, *args, **kwargs):
            self.accelerator.backward = lambda loss, **rest: executed.append(count(loss.backward))
            return super().training_step(*args, **kwargs)

    run = Counted(
        hf_models.build("llama", "sdpa").model,
        None if adapts else hf_models.build("llama", "sdpa").model,
        settings,
        train_dataset=datasets.Dataset.from_dict(columns),
        processing_class=tokenizer(),
        callbacks=[callback],
        peft_config=peft.LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM") if adapts else None,
    )
    run.train()
    history = callback.session.history
    assert [entry["step"] for entry in history] == [0, 4]
    for number, flops in enumerate(executed):
        if number % 8 > 1:  # The first step of each epoch, of two micro-batches, measures.
            assert flops == history[number // 8]["predicted_backward_flops"]
    assert not callback.session.mismatches


def words(rows, seed):
    draws = random.Random(seed)
    return ["".join(f" {draws.randint(3, 30)}" for _ in range(6)) for _ in range(rows)]


def trainer_of(kind, folder, callback, **of_lora):
    """Each on rows of equal length, so that every step has the shapes of the first."""
    settings = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 4,
        "learning_rate": 0.01,
        "report_to": [],
        "use_cpu": True,
        "save_strategy": "no",
        "bf16": False,
        "num_train_epochs": 2,
        "gradient_checkpointing": False,
    }
    common = {"processing_class": tokenizer(), "callbacks": [callback], **of_lora}
    pairs = {"prompt": words(16, 1), "chosen": words(16, 2), "rejected": words(16, 3)}
    model = hf_models.build("llama", "sdpa").model
    if kind == "reward":
        model.config.num_labels = 1
        judge = transformers.AutoModelForSequenceClassification.from_config(model.config, dtype=torch.float32)
        rows = datasets.Dataset.from_dict(pairs)
        return trl.RewardTrainer(judge, trl.RewardConfig(**settings), train_dataset=rows, **common)
    if kind == "kto":
        labels = [k % 2 == 0 for k in range(16)]
        rows = datasets.Dataset.from_dict({"prompt": pairs["prompt"], "completion": pairs["chosen"], "label": labels})
        reference = None if of_lora else hf_models.build("llama", "sdpa").model
        return trl.KTOTrainer(model, reference, trl.KTOConfig(**settings), train_dataset=rows, **common)

    def reward(completions, **_):
        return [float(len(set(one.split()))) for one in completions]

    generation = {"num_generations": 4, "max_completion_length": 5, "generation_kwargs": {"min_new_tokens": 5}}
    config = trl.GRPOConfig(**{**settings, **generation, "num_train_epochs": 1})
    rows = datasets.Dataset.from_dict({"prompt": pairs["prompt"]})
    return trl.GRPOTrainer(model, reward, config, train_dataset=rows, **common)


@pytest.mark.parametrize("adapts", [False, True])
@pytest.mark.parametrize("method", ["selection", "joint"])
@pytest.mark.parametrize("kind", ["reward", "kto", "grpo"])
def test_the_callback_in_trls_other_trainers(tmp_path, kind, method, adapts):
    callback = greenplan.GreenplanCallback(budget=0.6, budget_of="backward", method=method, seed=2)
    task = "SEQ_CLS" if kind == "reward" else "CAUSAL_LM"
    lora = {"peft_config": peft.LoraConfig(r=3, target_modules="all-linear", task_type=task)} if adapts else {}
    run = trainer_of(kind, tmp_path, callback, **lora)
    backward, compared = run.accelerator.backward, []

    def counted(loss, **rest):
        session = callback.session
        is_measured = session._is_probing
        flops = count(lambda: backward(loss, **rest))
        if not is_measured:
            applied = session._execution.applied
            compared.append(flops == session.profile.step_cost(applied.live, applied.dropped))

    run.accelerator.backward = counted
    run.train()
    assert len(compared) > 4 and all(compared)
    assert not callback.session.mismatches

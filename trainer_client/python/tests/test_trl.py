"""TRL's SFTTrainer and DPOTrainer, which are transformers.Trainers with a fused head of their own."""

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

"""TRL's SFTTrainer, which is a transformers.Trainer with a fused head of its own."""

from __future__ import annotations

import pytest
import torch
import transformers

import greenplan
import hf_models

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")


@pytest.mark.parametrize("method", ["selection", "drop"])
def test_the_callback_in_an_sft_trainer(tmp_path, method):
    from tokenizers import Tokenizer, models

    vocabulary = {str(token): token for token in range(hf_models.VOCABULARY)}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="0")), pad_token="0", eos_token="2"
    )
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
    trl.SFTTrainer(model, settings, train_dataset=rows, processing_class=tokenizer, callbacks=[callback]).train()
    entry = callback.session.history[-1]
    # With drop rates the prediction is the mean over the round's steps, of which one is counted.
    assert method == "drop" or entry["executed_backward_flops"] == entry["predicted_backward_flops"]
    assert entry["executed_backward_flops"] is not None
    assert not callback.session.mismatches

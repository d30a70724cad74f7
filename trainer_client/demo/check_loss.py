"""Shows that the demo's model is loaded as transformers loads it: the validation losses of both agree within 1e-4.

usage: check_loss.py BASE VALID REPORT     needs torch and transformers.

BASE is the checkpoint folder, VALID the JSONL of {source_ids, target_ids}, REPORT that of a greenplan-finetune run. Its
epoch 0 holds the loss of the model as loaded: the mean over all target tokens and EOS, natural logarithm.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM

ALLOWED_DIFFERENCE = 1e-4
NOT_PREDICTED = -100  # transformers leaves tokens with this label out of the loss.


@torch.no_grad()
def validation_loss(base: str, rows: list[dict[str, list[int]]]) -> float:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    bos, eos = model.config.bos_token_id, model.config.eos_token_id
    total, count = 0.0, 0
    for row in rows:
        prompt, target = [bos, *row["source_ids"]], [*row["target_ids"], eos]
        labels = torch.tensor([[NOT_PREDICTED] * len(prompt) + target])
        loss = model(torch.tensor([prompt + target]), labels=labels).loss
        total += loss.item() * len(target)
        count += len(target)
    return total / count


def main() -> None:
    base, valid, report = sys.argv[1:4]
    rows = [json.loads(line) for line in pathlib.Path(valid).read_text().splitlines()]
    expected = validation_loss(base, rows)
    actual = json.loads(pathlib.Path(report).read_text())["epochs"][0]["validation_loss"]
    print(f"validation loss as loaded: greenplan-finetune {actual:.7f}, transformers {expected:.7f}")
    if abs(actual - expected) > ALLOWED_DIFFERENCE:
        sys.exit(f"check_loss: the losses differ by more than {ALLOWED_DIFFERENCE}")


if __name__ == "__main__":
    main()

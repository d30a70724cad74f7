"""Makes the golden LoRA adapter of adapter_test.cc with PEFT, on the base in llama_tied.

usage: make_adapter.py      needs torch 2.13.0, transformers 5.23.0 and peft.

Writes adapter/ as PEFT saves it, and adapter/expected.json with the loss on the base's input ids and the gradient norm of
each factor.
"""

import json
import pathlib

import torch
import transformers
from peft import LoraConfig, get_peft_model

HERE = pathlib.Path(__file__).parent
PREFIX = "base_model.model."


def main():
    torch.manual_seed(0)
    base = transformers.AutoModelForCausalLM.from_pretrained(HERE / "llama_tied", dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.3)
    golden = json.loads((HERE / "llama_tied/expected.json").read_text())
    loss = model(input_ids=torch.tensor(golden["input_ids"]), labels=torch.tensor(golden["labels"])).loss
    loss.backward()
    model.save_pretrained(HERE / "adapter")
    (HERE / "adapter/README.md").unlink(missing_ok=True)
    config_path = HERE / "adapter/adapter_config.json"
    config = json.loads(config_path.read_text())
    config["base_model_name_or_path"] = "llama_tied"
    config["target_modules"].sort()
    config_path.write_text(json.dumps(config, indent=2) + "\n")
    norms = {name.removeprefix(PREFIX).replace(".default", ""): parameter.grad.double().norm().item()
             for name, parameter in model.named_parameters() if parameter.grad is not None}
    expected = {"loss": loss.item(), "gradient_norms": norms}
    (HERE / "adapter/expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()

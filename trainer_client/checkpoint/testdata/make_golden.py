"""Makes the golden models of checkpoint_test.cc: tiny random models saved by transformers, and what they compute.

usage: python3 make_golden.py [FOLDER [FLAVOUR...]]   (default: the folder of this file, all flavours)
Needs torch 2.13.0 and transformers 5.23.0. Every flavour is a folder with config.json, model.safetensors and
expected.json: input_ids, labels, logits, loss, and the names, shapes and gradient norms of named_parameters().
"""

import json
import pathlib
import sys

import torch
import transformers

LLAMA = dict(model_type="llama", vocab_size=61, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
             num_attention_heads=4, max_position_embeddings=32, initializer_range=0.2)
OPT = dict(model_type="opt", vocab_size=61, hidden_size=16, ffn_dim=24, num_hidden_layers=2, num_attention_heads=4,
           max_position_embeddings=32, init_std=0.2)
GROUPED = LLAMA | dict(num_key_value_heads=2)
FLAVOURS = {
    "llama_gqa_untied_bf16": (torch.bfloat16, LLAMA | dict(num_key_value_heads=2, rope_parameters=dict(
        rope_type="llama3", rope_theta=50000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16))),
    "llama_tied": (torch.float32, LLAMA | dict(num_key_value_heads=4, head_dim=6, tie_word_embeddings=True,
                                               attention_bias=True, mlp_bias=True, pad_token_id=3)),
    "llama_yarn": (torch.float32, GROUPED | dict(rope_parameters=dict(
        rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=8))),
    "mistral_window_longrope": (torch.float32, GROUPED | dict(
        model_type="mistral", sliding_window=5, rope_parameters=dict(
            rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=8, short_factor=[1.0, 1.0],
            long_factor=[1.5, 3.0]))),
    "qwen2_late_window": (torch.float32, GROUPED | dict(model_type="qwen2", use_sliding_window=True, sliding_window=5,
                                                        max_window_layers=1, tie_word_embeddings=True)),
    "qwen3": (torch.float32, GROUPED | dict(model_type="qwen3", head_dim=6, attention_bias=True)),
    "smollm3": (torch.float32, GROUPED | dict(model_type="smollm3", no_rope_layers=[1, 0], pad_token_id=3,
                                              use_sliding_window=True, sliding_window=6, mlp_bias=True)),
    "opt_pre_norm": (torch.float32, OPT),
    "opt_post_norm_projected": (torch.float16, OPT | dict(do_layer_norm_before=False, word_embed_proj_dim=12)),
    "opt_plain_norm_sharded": (torch.float32, OPT | dict(enable_bias=False, layer_norm_elementwise_affine=False,
                                                         tie_word_embeddings=False, activation_function="gelu_new")),
}


def randomize(model):
    """Norms and biases too: ones and zeros would hide a mistake."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.data.normal_(0.0 if name.endswith("bias") else 1.0, 0.2)


def make(folder, dtype, config):
    torch.manual_seed(len(str(folder.name)))
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
    randomize(model)
    model.to(dtype).save_pretrained(folder, max_shard_size="6KB" if "sharded" in folder.name else "1GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    input_ids = torch.randint(0, config["vocab_size"], (2, 13))
    input_ids[0, 4:6] = 3  # llama_tied's padding row
    input_ids[1, 7] = 1  # OPT's
    labels = input_ids.clone()
    labels[0, :5] = -100
    labels[1, 10:] = -100
    output = model(input_ids=input_ids, labels=labels)
    output.loss.backward()
    expected = {
        "input_ids": input_ids.tolist(),
        "labels": labels.tolist(),
        "logits": [float(f"{x:.8g}") for x in output.logits.flatten().tolist()],
        "loss": output.loss.item(),
        "parameters": [{"name": name, "shape": list(p.shape), "gradient_norm": p.grad.double().norm().item()}
                       for name, p in model.named_parameters()],
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    root = root if root.is_dir() else root.parent
    for name in sys.argv[2:] or FLAVOURS:
        make(root / name, *FLAVOURS[name])

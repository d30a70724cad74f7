#!/usr/bin/env python3
"""Checks that transformers and this project read each other's checkpoints and that the models agree.

usage: tests/transformers_roundtrip.py [NAME...]      (after: bazel build //trainer_client/checkpoint:round_trip)
With names, it takes only the configs whose names begin so.
Needs torch 2.13.0, transformers 5.23.0 and safetensors in this Python. It is not part of the test suite, which needs no
Python.

It goes through several configs, both kinds of attention, and weights that either transformers saved (in several dtypes,
in one file and in shards) or this project initialised. Each time it checks that
- transformers opens the folder that round_trip writes, with no tensor missing or left over;
- the weights there equal those that went in, bit for bit;
- the losses agree within 1e-5;
- for random masks the backward pass executes exactly the FLOPs that torch.utils.flop_counter counts on the model of
  transformers.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count

ROUND_TRIP = pathlib.Path(__file__).resolve().parent.parent / "bazel-bin/trainer_client/checkpoint/round_trip"
LLAMA = dict(model_type="llama", vocab_size=97, hidden_size=32, intermediate_size=72, num_hidden_layers=2,
             num_attention_heads=4, max_position_embeddings=64)
OPT = dict(model_type="opt", vocab_size=97, hidden_size=32, ffn_dim=72, num_hidden_layers=2, num_attention_heads=4,
           max_position_embeddings=64, dropout=0.0)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
LONGROPE = dict(rope_type="longrope", rope_theta=1e4, original_max_position_embeddings=16,
                short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[1.0, 2.0, 3.0, 4.0])
CONFIGS = {
    "llama": LLAMA,
    "llama grouped queries": LLAMA | dict(num_key_value_heads=2),
    "llama one key head, tied": LLAMA | dict(num_key_value_heads=1, tie_word_embeddings=True),
    "llama biases, head_dim, padding": LLAMA | dict(attention_bias=True, mlp_bias=True, head_dim=12, pad_token_id=-1),
    "llama attention dropout": LLAMA | dict(num_key_value_heads=2, attention_dropout=0.1),
    "llama 3 rope": LLAMA | dict(rope_parameters=LLAMA3),
    "llama linear rope, gelu": LLAMA | dict(rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0),
                                            hidden_act="gelu"),
    "llama dynamic rope": LLAMA | dict(rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, factor=3.0)),
    "llama yarn rope": LLAMA | dict(rope_parameters=dict(rope_type="yarn", rope_theta=1e4, factor=4.0,
                                                         original_max_position_embeddings=16)),
    "llama longrope": LLAMA | dict(rope_parameters=LONGROPE),
    "llama part of the head": LLAMA | dict(rope_parameters=dict(rope_type="default", rope_theta=1e4,
                                                                partial_rotary_factor=0.5)),
    "mistral": LLAMA | dict(model_type="mistral", num_key_value_heads=2),
    "mistral window": LLAMA | dict(model_type="mistral", num_key_value_heads=2, sliding_window=7),
    "mistral window as long as the rows": LLAMA | dict(model_type="mistral", num_key_value_heads=2, sliding_window=19),
    "mistral no window, head_dim": LLAMA | dict(model_type="mistral", num_key_value_heads=4, sliding_window=None,
                                               head_dim=12),
    "qwen2": LLAMA | dict(model_type="qwen2", num_key_value_heads=2, tie_word_embeddings=True),
    "qwen2 late window": LLAMA | dict(model_type="qwen2", num_key_value_heads=4, use_sliding_window=True,
                                       sliding_window=7, max_window_layers=1),
    "qwen3": LLAMA | dict(model_type="qwen3", num_key_value_heads=2, head_dim=12),
    "qwen3 biases, layer_types": LLAMA | dict(
        model_type="qwen3", num_key_value_heads=4, head_dim=8, attention_bias=True, use_sliding_window=True,
        sliding_window=7, layer_types=["sliding_attention", "full_attention"]),
    "smollm3": LLAMA | dict(model_type="smollm3", num_key_value_heads=2, no_rope_layer_interval=2, pad_token_id=0),
    "smollm3 window, biases": LLAMA | dict(
        model_type="smollm3", num_key_value_heads=4, no_rope_layers=[0, 1], use_sliding_window=True, sliding_window=7,
        attention_bias=True, mlp_bias=True, pad_token_id=0),
    "opt": OPT,
    "opt dropout": OPT | dict(dropout=0.1, attention_dropout=0.1),
    "opt post-norm, projected": OPT | dict(do_layer_norm_before=False, word_embed_proj_dim=16),
    "opt no biases, plain norms": OPT | dict(enable_bias=False, layer_norm_elementwise_affine=False),
    "opt untied, gelu_new": OPT | dict(tie_word_embeddings=False, activation_function="gelu_new"),
    "opt no last norm": OPT | dict(_remove_final_layer_norm=True),
}
# The dtype and the shards that transformers saves; with no dtype, this project initialises the weights.
WEIGHTS = ((torch.float32, "1GB"), (torch.bfloat16, "10KB"), (torch.float16, "1GB"), (None, None))
FLASH_BACKWARD = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward:
                  lambda grad, q, k, v, *_, out_shape=None, **__: sdpa_backward_flop_count(grad, q, k, v)}


def backward_flops(model, input_ids, trainable):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trainable)
    model.zero_grad()
    loss = model(input_ids=input_ids, labels=input_ids).loss
    with FlopCounterMode(display=False, custom_mapping=FLASH_BACKWARD) as counter:
        loss.backward()
    return counter.get_total_flops()


def open_in_transformers(folder, attention):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    return model.eval()


def check(config, attention, dtype, shard_size, rng):
    """Checks one config. If dtype is None, this project initialises the weights; otherwise transformers saves them."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        torch.manual_seed(rng.randrange(2**31))
        given = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
        for parameter in given.parameters():
            parameter.data.normal_(0.02, 0.2)
        if dtype:
            given.to(dtype).save_pretrained(work / "from", max_shard_size=shard_size)
        else:
            given.config.save_pretrained(work / "from")
        input_ids = torch.randint(0, config["vocab_size"], (3, 19))
        names = [name for name, _ in given.named_parameters()]
        masks = [names] + [rng.sample(names, rng.randint(1, len(names))) for _ in range(8)] + [[n] for n in names]
        request = json.dumps({"input_ids": input_ids.tolist(), "masks": masks})
        ran = subprocess.run([ROUND_TRIP, work / "from", work / "to", attention], input=request, capture_output=True,
                             text=True)
        assert ran.returncode == 0, ran.stderr
        reply = json.loads(ran.stdout)

        model = open_in_transformers(work / "to", attention)
        assert [name for name, _ in model.named_parameters()] == names
        if dtype:
            original = open_in_transformers(work / "from", attention)
            for (name, a), b in zip(original.named_parameters(), model.parameters()):
                assert torch.equal(a, b), f"{name} changed"
        with torch.no_grad():
            loss = model(input_ids=input_ids, labels=input_ids).loss.item()
        assert abs(loss - reply["loss"]) < 1e-5, f"loss {reply['loss']}, in transformers {loss}"
        model.train()
        for mask, executed in zip(masks, reply["backward_flops"]):
            counted = backward_flops(model, input_ids, set(mask))
            assert executed == counted, f"mask {mask}: executed {executed}, in transformers {counted}"
        full, *others = reply["backward_flops"]
        assert full >= max(others) > 0, "no mask may cost more than the full one"
        return len(masks)


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rng, wrong, runs, masks = random.Random(1), 0, 0, 0
    prefixes = tuple(sys.argv[1:] or [""])
    wanted = {name: config for name, config in CONFIGS.items() if name.startswith(prefixes)}
    for name, config in wanted.items():
        for attention in ("sdpa", "eager"):
            for dtype, shard_size in WEIGHTS:
                runs += 1
                try:
                    masks += check(config, attention, dtype, shard_size, rng)
                except AssertionError as error:
                    wrong += 1
                    print(f"{name}, {attention}, {dtype or 'new weights'}: {error}")
    print(f"{runs} round trips, {masks} masks: {'all agree' if not wrong else f'{wrong} wrong'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

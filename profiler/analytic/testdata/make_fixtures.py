#!/usr/bin/env python3
"""Makes the fixtures in models/: what Hugging Face's own modules execute in backward for many sets of tensors.

Each model's own classes run forward and backward, and torch.utils.flop_counter counts, once per mask. Large models run
on the meta device; the fused attention and the experts of the small ones on the CPU, with formulas for the operators
that the counter does not know (2 FLOPs per multiply-add; fused attention runs 2 products forward and 5 backward).

Needs: pip install torch==2.13.0 transformers==5.23.0 numpy
Use:   make_fixtures.py [--masks N] [--output DIR] [NAME...]

A file holds one model. `masks` are triples [hexadecimal, backward FLOPs, bytes saved for backward]; the hexadecimal
number's most significant bit is the first parameter; the bytes are those of all storages that autograd saves, parameters
left out, with dropout off. Parameters are listed where they are few, else `parameters_digest` (FNV-1a of the lines
"NAME 2,3\\n") and `parameter_count` stand for them.
"""
import argparse
import json
import os
import random
import zlib

import torch
import transformers
import transformers.masking_utils
from torch.utils.flop_counter import FlopCounterMode

# Looks at values, which the meta device does not have.
transformers.masking_utils.find_packed_sequence_indices = lambda *args, **kwargs: None

CAUSAL = transformers.AutoModelForCausalLM
SEQ2SEQ = transformers.AutoModelForSeq2SeqLM
SPEECH = transformers.AutoModelForSpeechSeq2Seq
MASKED = transformers.AutoModelForMaskedLM
IMAGE = transformers.AutoModelForImageClassification
DEFAULT_CLASS = {"t5": SEQ2SEQ, "whisper": SPEECH, "bert": MASKED, "vit": IMAGE}


def config(model_type, **keys):
    return dict(model_type=model_type, **keys)


def llama(hidden, inner, layers, heads, kv_heads, vocab, model_type="llama", **keys):
    return config(model_type, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
                  num_attention_heads=heads, num_key_value_heads=kv_heads, vocab_size=vocab,
                  tie_word_embeddings=keys.pop("tie_word_embeddings", False), **keys)


def tiny_llama(model_type, **keys):
    return llama(48, 80, 3, 6, keys.pop("kv", 2), 101, model_type, **keys)


TINY_OPT = config("opt", hidden_size=48, ffn_dim=96, num_hidden_layers=3, num_attention_heads=4, vocab_size=101,
                  max_position_embeddings=40)
TINY_BLOOM = config("bloom", hidden_size=48, n_layer=3, n_head=4, vocab_size=101)
TINY_GPT2 = config("gpt2", n_embd=48, n_layer=3, n_head=4, n_positions=40, vocab_size=101)
TINY_NEOX = config("gpt_neox", hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                   vocab_size=101)
TINY_T5 = config("t5", d_model=48, d_kv=10, d_ff=96, num_layers=3, num_decoder_layers=2, num_heads=4, vocab_size=101,
                 decoder_start_token_id=0)
TINY_BERT = config("bert", hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                   vocab_size=101, max_position_embeddings=40)
TINY_VIT = config("vit", hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                  image_size=24, patch_size=8, num_labels=7)
TINY_WHISPER = config("whisper", d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
                      decoder_attention_heads=6, encoder_ffn_dim=96, decoder_ffn_dim=80, vocab_size=101,
                      max_source_positions=25, max_target_positions=30, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                      decoder_start_token_id=1)
TINY_MIXTRAL = tiny_llama("mixtral", num_local_experts=4, num_experts_per_tok=2)
TINY_DEEPSEEK = config("deepseek_v3", hidden_size=48, intermediate_size=80, moe_intermediate_size=24,
                       num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4, n_shared_experts=2,
                       n_routed_experts=8, num_experts_per_tok=3, n_group=4, topk_group=2, first_k_dense_replace=1,
                       kv_lora_rank=20, q_lora_rank=28, qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=10,
                       vocab_size=101)


def model(cfg, batch, seq=None, target=None, **keys):
    return dict(config=cfg, input=dict(batch_size=batch, **({"seq_len": seq} if seq else {}),
                                       **({"target_len": target} if target else {})), **keys)


MODELS = {
    # Small ones: every switch of a family that changes the graph or the tensors.
    "tiny-opt": model(TINY_OPT, 2, 16),
    "tiny-opt-projected": model(dict(TINY_OPT, word_embed_proj_dim=32, do_layer_norm_before=False), 2, 16),
    "tiny-opt-bare": model(dict(TINY_OPT, enable_bias=False, layer_norm_elementwise_affine=False,
                                tie_word_embeddings=False, _remove_final_layer_norm=True), 2, 16),
    "tiny-bloom": model(TINY_BLOOM, 2, 16),
    "tiny-bloom-postnorm": model(dict(TINY_BLOOM, apply_residual_connection_post_layernorm=True), 2, 16),
    "tiny-gpt2": model(TINY_GPT2, 2, 16),
    "tiny-gpt2-variant": model(dict(TINY_GPT2, n_inner=80, reorder_and_upcast_attn=True, add_cross_attention=True,
                                    tie_word_embeddings=False), 2, 16),
    "tiny-gpt-neox": model(TINY_NEOX, 2, 16),
    "tiny-gpt-neox-serial": model(dict(TINY_NEOX, use_parallel_residual=False, attention_bias=False,
                                       tie_word_embeddings=True), 2, 16),
    "tiny-llama": model(tiny_llama("llama"), 2, 16),
    "tiny-llama-biased": model(tiny_llama("llama", kv=6, attention_bias=True, mlp_bias=True, head_dim=10,
                                          tie_word_embeddings=True), 2, 16),
    "tiny-mistral": model(tiny_llama("mistral", sliding_window=8), 2, 16),
    "tiny-qwen2": model(tiny_llama("qwen2", tie_word_embeddings=True), 2, 16),
    "tiny-phi3": model(tiny_llama("phi3", pad_token_id=0), 2, 16),
    "tiny-gemma2": model(tiny_llama("gemma2", head_dim=16, tie_word_embeddings=True), 2, 16),
    "tiny-mixtral": model(TINY_MIXTRAL, 2, 16, device="cpu"),
    "tiny-deepseek-v3": model(TINY_DEEPSEEK, 2, 16, device="cpu"),
    "tiny-deepseek-v3-plain-query": model(dict(TINY_DEEPSEEK, q_lora_rank=None, attention_bias=True,
                                               tie_word_embeddings=True), 2, 16, device="cpu"),
    "tiny-t5": model(TINY_T5, 2, 16, 11),
    "tiny-flan-t5": model(dict(TINY_T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False), 2, 16, 11),
    "tiny-bert": model(TINY_BERT, 2, 16),
    "tiny-vit": model(TINY_VIT, 2),
    "tiny-vit-oblong": model(dict(TINY_VIT, image_size=[24, 32], patch_size=[8, 4], num_channels=1, qkv_bias=False), 2),
    "tiny-whisper": model(TINY_WHISPER, 2, 50, 11),
    # The same with fused attention.
    "tiny-opt-sdpa": model(TINY_OPT, 2, 16, attention="sdpa", device="cpu"),
    "tiny-llama-sdpa": model(tiny_llama("llama"), 2, 16, attention="sdpa", device="cpu"),
    "tiny-gpt2-sdpa": model(TINY_GPT2, 2, 16, attention="sdpa", device="cpu"),
    "tiny-bert-sdpa": model(TINY_BERT, 2, 16, attention="sdpa", device="cpu"),
    "tiny-whisper-sdpa": model(TINY_WHISPER, 2, 50, 11, attention="sdpa", device="cpu"),
    # Adapters.
    "tiny-llama-lora": model(tiny_llama("llama"), 2, 16, lora_rank=4),
    "tiny-gpt2-lora": model(TINY_GPT2, 2, 16, lora_rank=4),
    "tiny-t5-lora": model(TINY_T5, 2, 16, 11, lora_rank=4),
    "tiny-deepseek-v3-lora": model(TINY_DEEPSEEK, 2, 16, lora_rank=4, device="cpu"),
    # Other heads.
    "tiny-llama-classifier": model(dict(tiny_llama("llama"), architectures=["LlamaForSequenceClassification"],
                                        id2label={"0": "a", "1": "b", "2": "c"}, pad_token_id=0), 2, 16),
    "tiny-gpt2-classifier": model(dict(TINY_GPT2, architectures=["GPT2ForSequenceClassification"], pad_token_id=0), 2, 16,
                                  device="cpu"),
    "tiny-opt-classifier": model(dict(TINY_OPT, architectures=["OPTForSequenceClassification"],
                                      word_embed_proj_dim=32), 2, 16),
    "tiny-bert-classifier": model(dict(TINY_BERT, architectures=["BertForSequenceClassification"]), 2, 16),
    "tiny-llama-tagger": model(dict(tiny_llama("llama"), architectures=["LlamaForTokenClassification"]), 2, 16),
    "tiny-gpt2-tagger": model(dict(TINY_GPT2, architectures=["GPT2ForTokenClassification"]), 2, 16),
    "tiny-bert-tagger": model(dict(TINY_BERT, architectures=["BertForTokenClassification"]), 2, 16),
    "tiny-bert-spans": model(dict(TINY_BERT, architectures=["BertForQuestionAnswering"]), 2, 16),
    # Full size.
    "opt-125m": model(config("opt", hidden_size=768, ffn_dim=3072, num_hidden_layers=12, num_attention_heads=12,
                             vocab_size=50272, max_position_embeddings=2048, word_embed_proj_dim=768), 4, 512),
    "opt-350m": model(config("opt", hidden_size=1024, ffn_dim=4096, num_hidden_layers=24, num_attention_heads=16,
                             vocab_size=50272, max_position_embeddings=2048, word_embed_proj_dim=512,
                             do_layer_norm_before=False), 4, 512),
    "bloomz-3b": model(config("bloom", hidden_size=2560, n_layer=30, n_head=32, vocab_size=250880), 4, 512),
    "gpt2": model(config("gpt2"), 8, 256),
    "pythia-1.4b": model(config("gpt_neox", hidden_size=2048, intermediate_size=8192, num_hidden_layers=24,
                                num_attention_heads=16, vocab_size=50304), 4, 512),
    "llama2-7b": model(llama(4096, 11008, 32, 32, 32, 32000), 4, 512),
    "llama3-8b": model(llama(4096, 14336, 32, 32, 8, 128256), 2, 1024),
    "mistral-7b": model(llama(4096, 14336, 32, 32, 8, 32000, "mistral"), 4, 512),
    "qwen2.5-7b": model(llama(3584, 18944, 28, 28, 4, 152064, "qwen2"), 4, 512),
    "phi3-mini": model(llama(3072, 8192, 32, 32, 32, 32064, "phi3"), 4, 512),
    "gemma2-9b": model(config("gemma2", hidden_size=3584, intermediate_size=14336, num_hidden_layers=42,
                              num_attention_heads=16, num_key_value_heads=8, head_dim=256), 2, 512),
    "t5-small": model(config("t5", decoder_start_token_id=0), 8, 200, 100),
    "flan-t5-xl": model(config("t5", d_model=2048, d_kv=64, d_ff=5120, num_layers=24, num_heads=32,
                               feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0),
                        4, 256, 64),
    "bert-base": model(config("bert"), 8, 128),
    "vit-base": model(config("vit", num_labels=1000), 8),
    "whisper-small": model(config("whisper", d_model=768, encoder_layers=12, decoder_layers=12,
                                  encoder_attention_heads=12, decoder_attention_heads=12, encoder_ffn_dim=3072,
                                  decoder_ffn_dim=3072, num_mel_bins=80), 2, 3000, 100),
}


def product(shape):
    result = 1
    for size in shape:
        result *= size
    return result


def grouped_mm_flops(a_shape, b_shape, *args, out_shape=None, **kwargs):
    # [rows, in] x [experts, in, out], or for the weight's gradient [in, rows] x [rows, out].
    return 2 * a_shape[0] * a_shape[1] * b_shape[-1]


def fused_forward_flops(q_shape, k_shape, v_shape, *args, out_shape=None, **kwargs):
    return 2 * product(q_shape[:-1]) * k_shape[-2] * (q_shape[-1] + v_shape[-1])


def fused_backward_flops(grad_shape, q_shape, k_shape, v_shape, *args, out_shape=None, **kwargs):
    return 2 * product(q_shape[:-1]) * k_shape[-2] * (3 * q_shape[-1] + 2 * v_shape[-1])


aten = torch.ops.aten
FORMULAS = {
    aten._grouped_mm: grouped_mm_flops,
    aten._scaled_dot_product_flash_attention_for_cpu: fused_forward_flops,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: fused_backward_flops,
}


class AdaptedLinear(torch.nn.Module):
    """y = base(x) + B(A(x)), the base frozen."""

    def __init__(self, base, rank):
        super().__init__()
        conv1d = isinstance(base, transformers.pytorch_utils.Conv1D)
        inner, outer = base.weight.shape if conv1d else reversed(base.weight.shape)
        self.forward_base = [base]  # Hidden from named_parameters().
        self.weight, self.bias = base.weight, base.bias
        self.lora_A = torch.nn.Linear(inner, rank, bias=False, device=base.weight.device)
        self.lora_B = torch.nn.Linear(rank, outer, bias=False, device=base.weight.device)

    def forward(self, x):
        return self.forward_base[0](x) + self.lora_B(self.lora_A(x))


def adapt(net, rank):
    """Adapts every linear layer inside the transformer blocks, the way PEFT's "all-linear" does."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    for name, module in list(net.named_modules()):
        in_block = any(part.isdigit() for part in name.split("."))
        if in_block and isinstance(module, (torch.nn.Linear, transformers.pytorch_utils.Conv1D)):
            parent, _, child = name.rpartition(".")
            setattr(net.get_submodule(parent), child, AdaptedLinear(module, rank))


def build(spec, device):
    keys = dict(spec["config"])
    conf = transformers.AutoConfig.for_model(keys.pop("model_type"), **keys)
    for key in keys:  # An "sdpa" run must fail rather than compare another graph.
        assert key == "tie_word_embeddings" or hasattr(conf, key), key
    architectures = spec["config"].get("architectures")
    attention = spec.get("attention", "eager")
    conf.use_cache = False
    with torch.device(device):
        if architectures:
            conf._attn_implementation = attention
            return getattr(transformers, architectures[0])._from_config(conf, attn_implementation=attention).train(), conf
        cls = DEFAULT_CLASS.get(conf.model_type, CAUSAL)
        return cls.from_config(conf, attn_implementation=attention, dtype=torch.float32).train(), conf


def inputs(spec, conf, head):
    size, kind = spec["input"], conf.model_type
    batch, seq, target = size["batch_size"], size.get("seq_len"), size.get("target_len")
    zeros = lambda *shape: torch.zeros(*shape, dtype=torch.long)
    if kind == "vit":
        image = conf.image_size if isinstance(conf.image_size, (list, tuple)) else [conf.image_size] * 2
        return dict(pixel_values=torch.zeros(batch, conf.num_channels, *image), labels=zeros(batch))
    if kind == "whisper":
        return dict(input_features=torch.randn(batch, conf.num_mel_bins, seq), labels=zeros(batch, target))
    if kind == "t5":
        return dict(input_ids=zeros(batch, seq), labels=zeros(batch, target))
    ids = torch.randint(3, 100, (batch, seq))
    if head == "spans":
        return dict(input_ids=ids, start_positions=zeros(batch), end_positions=zeros(batch))
    return dict(input_ids=ids, labels=zeros(batch) if head == "classifier" else zeros(batch, seq))


class SavedStorages:
    """What autograd keeps from forward, each storage once."""

    def __init__(self, parameters):
        self.parameters = {parameter.untyped_storage()._cdata for parameter in parameters}
        self.sizes, self.alive = {}, []

    def pack(self, tensor):
        storage = tensor.untyped_storage()
        self.alive.append(storage)  # An address that is free could come back.
        if storage._cdata not in self.parameters:
            self.sizes[storage._cdata] = storage.nbytes()
        return tensor

    def hooks(self):
        return torch.autograd.graph.saved_tensors_hooks(self.pack, lambda tensor: tensor)

    def bytes(self):
        return sum(self.sizes.values())


def turn_dropout_off(net):
    for module in net.modules():
        for key in ("p", "dropout", "attention_dropout", "activation_dropout", "hidden_dropout"):
            if isinstance(getattr(module, key, None), float):
                setattr(module, key, 0.0)


def masks(names, count, rng):
    size = len(names)
    result = [[True] * size]
    for p in (.02, .1, .3, .6, .9):
        result.append([rng.random() < p for _ in names])
    for cut in (.15, .5, .85):
        result.append([i >= size * cut for i in range(size)])
    result.append([i < size * .1 for i in range(size)])
    for words in (("bias", "norm", "ln_"), ("v_proj", ".v.", "value"), ("k_proj", ".k.", "key"), ("q_proj", ".q.", "query")):
        result.append([any(word in name for word in words) for name in names])
    while len(result) < count:
        kind = rng.randrange(3)
        start, width = rng.randrange(size), 1 if kind == 0 else max(1, size // 10)
        if kind < 2:
            result.append([start <= i < start + width for i in range(size)])
        else:
            p = rng.random() ** 3
            result.append([rng.random() < p for _ in names])
    return [mask for mask in result if any(mask)]


def fnv1a(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"{value:016x}"


def measure(name, spec, count):
    device = spec.get("device", "meta")
    torch.manual_seed(0)
    net, conf = build(spec, device)
    if "lora_rank" in spec:
        adapt(net, spec["lora_rank"])
    turn_dropout_off(net)
    frozen = {key for key in dict(net.named_parameters()) if "lora_rank" in spec and "lora_" not in key}
    parameters = dict(net.named_parameters())
    names, rng = list(parameters), random.Random(zlib.crc32(name.encode()))
    with torch.device(device):
        arguments = inputs(spec, conf, name.rpartition("-")[2])
    counted, forward_flops = [], None
    for mask in masks(names, count, rng):
        mask = [on and key not in frozen for key, on in zip(names, mask)]
        for key, on in zip(names, mask):
            parameters[key].requires_grad_(on)
        saved = SavedStorages(parameters.values())
        with FlopCounterMode(display=False, custom_mapping=FORMULAS) as forward, saved.hooks():
            loss = net(**arguments).loss
        if not loss.requires_grad:
            continue
        with FlopCounterMode(display=False, custom_mapping=FORMULAS) as backward:
            loss.backward()
        net.zero_grad(set_to_none=True)
        assert forward_flops in (None, forward.get_total_flops())
        forward_flops = forward.get_total_flops()
        bits = int("".join("01"[on] for on in mask), 2)
        counted.append([f"{bits:0{(len(names) + 3) // 4}x}", backward.get_total_flops(), saved.bytes()])
    listing = [dict(name=key, shape=list(value.shape)) for key, value in parameters.items()]
    result = dict(model=name, config=spec["config"], input=spec["input"], attention=spec.get("attention", "eager"),
                  lora_rank=spec.get("lora_rank", 0), forward_flops=forward_flops, tensor_count=len(names),
                  parameter_count=sum(value.numel() for value in parameters.values()),
                  parameters_digest=fnv1a("".join(f"{p['name']} {','.join(map(str, p['shape']))}\n" for p in listing)))
    if len(names) < 80:
        result["parameters"] = [f"{p['name']} {','.join(map(str, p['shape']))}" for p in listing]
    result["masks"] = counted
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--masks", type=int, default=40)
    parser.add_argument("--output", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "models"))
    arguments = parser.parse_args()
    for name in arguments.names or MODELS:
        result = measure(name, MODELS[name], arguments.masks)
        with open(os.path.join(arguments.output, name + ".json"), "w") as file:
            file.write(json.dumps(result, separators=(",", ":")).replace('"masks":', '\n"masks":') + "\n")
        print(f"{name}: {result['tensor_count']} tensors, {result['parameter_count']:,} parameters, "
              f"{len(result['masks'])} masks", flush=True)


if __name__ == "__main__":
    main()

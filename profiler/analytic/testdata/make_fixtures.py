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
from fixture_models import MODELS
from torch.utils.flop_counter import FlopCounterMode

# Looks at values, which the meta device does not have.
transformers.masking_utils.find_packed_sequence_indices = lambda *args, **kwargs: None

DEFAULT_CLASS = {
    **dict.fromkeys(["t5", "mt5", "bart"], transformers.AutoModelForSeq2SeqLM),
    "whisper": transformers.AutoModelForSpeechSeq2Seq,
    **dict.fromkeys(["bert", "roberta", "xlm-roberta", "distilbert", "modernbert", "electra"],
                    transformers.AutoModelForMaskedLM),
    **dict.fromkeys(["gemma3", "llama4", "mistral3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"],
                    transformers.AutoModelForImageTextToText),
    **dict.fromkeys(["vit", "deit", "dinov2"], transformers.AutoModelForImageClassification),
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
    """Adapts every linear layer inside the transformer blocks but routers, the way PEFT's "all-linear" does."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    for name, module in list(net.named_modules()):
        in_block = any(part.isdigit() for part in name.split("."))
        linear = isinstance(module, (torch.nn.Linear, transformers.pytorch_utils.Conv1D))
        if in_block and linear and "Router" not in type(module).__name__:
            parent, _, child = name.rpartition(".")
            setattr(net.get_submodule(parent), child, AdaptedLinear(module, rank))


def build(spec, device):
    keys = dict(spec["config"])
    conf = transformers.AutoConfig.for_model(keys.pop("model_type"), **keys)
    for key in keys:  # A key that transformers does not know would compare another model.
        assert key in ("tie_word_embeddings", *spec.get("legacy_keys", ())) or hasattr(conf, key), key
    architecture = (spec["config"].get("architectures") or [None])[0]
    cls = getattr(transformers, architecture) if architecture else DEFAULT_CLASS.get(
        conf.model_type, transformers.AutoModelForCausalLM)
    attention = spec.get("attention", "eager")
    conf.use_cache = conf.get_text_config().use_cache = False
    conf._attn_implementation = attention
    make = cls._from_config if architecture else cls.from_config
    with torch.device(device):
        return make(conf, attn_implementation=attention, dtype=torch.float32).train(), conf


def inputs(spec, conf, architecture):
    size = spec["input"]
    batch, seq, target = size["batch_size"], size.get("seq_len"), size.get("target_len")
    zeros = lambda *shape: torch.zeros(*shape, dtype=torch.long)
    bare = architecture.endswith("Model") and "LMHead" not in architecture
    labels = {} if bare else dict(labels=zeros(batch))
    if hasattr(conf, "image_size"):
        image = conf.image_size if isinstance(conf.image_size, (list, tuple)) else [conf.image_size] * 2
        return dict(pixel_values=torch.zeros(batch, conf.num_channels, *image), **labels)
    if architecture.startswith("Whisper"):
        features = dict(input_features=torch.randn(batch, conf.num_mel_bins, seq))
        return dict(features, decoder_input_ids=zeros(batch, target)) if bare else dict(
            features, labels=zeros(batch, target))
    ids = torch.randint(3, 100, (batch, seq))
    if "ForSequenceClassification" in architecture and conf.is_encoder_decoder:
        ids = torch.cat([ids[:, :-1], torch.full((batch, 1), conf.eos_token_id)], 1)  # Which the classifier reads.
    if "ForQuestionAnswering" in architecture:
        return dict(input_ids=ids, start_positions=zeros(batch), end_positions=zeros(batch))
    if "ForSequenceClassification" in architecture:
        return dict(input_ids=ids, labels=zeros(batch))
    if "ForPreTraining" in architecture and conf.model_type == "bert":
        return dict(input_ids=ids, labels=zeros(batch, seq), next_sentence_label=zeros(batch))
    if conf.model_type == "gemma3":  # Which tokens are images': none.
        text = dict(input_ids=ids, token_type_ids=zeros(batch, seq))
        return text if bare else dict(text, labels=zeros(batch, seq))
    if architecture.endswith("EncoderModel") or not conf.is_encoder_decoder:
        return dict(input_ids=ids) if bare else dict(input_ids=ids, labels=zeros(batch, seq))
    return dict(input_ids=ids, **{"decoder_input_ids" if bare else "labels": zeros(batch, target)})


def loss_of(outputs):
    """The model's own loss; of a bare model, a sum over what it returns, which costs and keeps nothing."""
    return outputs.loss if "loss" in outputs else outputs.last_hidden_state.sum()


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
        arguments = inputs(spec, conf, type(net).__name__)
    outputs = net(**arguments)
    if "loss" not in outputs:  # What no gradient reaches in a bare model, its pooler, would only keep memory.
        loss_of(outputs).backward()
        frozen |= {key for key in names if parameters[key].grad is None}
        net.zero_grad(set_to_none=True)
    counted, forward_flops = [], None
    for mask in masks(names, spec.get("masks", count), rng):
        mask = [on and key not in frozen for key, on in zip(names, mask)]
        for key, on in zip(names, mask):
            parameters[key].requires_grad_(on)
        saved = SavedStorages(parameters.values())
        with FlopCounterMode(display=False, custom_mapping=FORMULAS) as forward, saved.hooks():
            loss = loss_of(net(**arguments))
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

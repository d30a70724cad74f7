#!/usr/bin/env python3
"""Makes parameter_counts.json: how many parameters transformers' own classes have, next to the published count.

Needs: pip install torch==2.13.0 transformers==5.23.0 numpy
Use:   make_parameter_counts.py [--output FILE]
"""
import argparse
import json
import os

from fixture_models import config, llama
from make_fixtures import build


def opt(hidden, layers, heads, **keys):
    return config("opt", hidden_size=hidden, ffn_dim=4 * hidden, num_hidden_layers=layers, num_attention_heads=heads,
                  vocab_size=50272, max_position_embeddings=2048, **keys)


def bloom(hidden, layers, heads):
    return config("bloom", hidden_size=hidden, n_layer=layers, n_head=heads, vocab_size=250880)


def flan_t5(hidden, inner, layers, heads):
    return config("t5", d_model=hidden, d_kv=64, d_ff=inner, num_layers=layers, num_heads=heads,
                  feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0)


# Why a count is not the published one.
TIED = "transformers 5.23.0 ties lm_head to the embedding; the published checkpoint holds both"
HEAD = "the published count is the encoder's with its pooler; with the masked language model's head instead here"
BUFFER = "the published count includes the router's correction bias, which is a buffer"

MODELS = [
    ("opt-125m", opt(768, 12, 12), 125239296, ""),
    ("opt-350m", opt(1024, 24, 16, word_embed_proj_dim=512, do_layer_norm_before=False), 331196416, ""),
    ("opt-1.3b", opt(2048, 24, 32), 1315758080, ""),
    ("opt-2.7b", opt(2560, 32, 32), 2651596800, ""),
    ("opt-6.7b", opt(4096, 32, 32), 6658473984, ""),
    ("bloom-560m", bloom(1024, 24, 16), 559214592, ""),
    ("bloomz-3b", bloom(2560, 30, 32), 3002557440, ""),
    ("flan-t5-small", flan_t5(512, 1024, 8, 6), 76961152, TIED),
    ("flan-t5-base", flan_t5(768, 2048, 12, 12), 247577856, TIED),
    ("flan-t5-large", flan_t5(1024, 2816, 24, 16), 783150080, TIED),
    ("flan-t5-xl", flan_t5(2048, 5120, 24, 32), 2849757184, TIED),
    ("llama-2-7b", llama(4096, 11008, 32, 32, 32, 32000), 6738415616, ""),
    ("llama-2-13b", llama(5120, 13824, 40, 40, 40, 32000), 13015864320, ""),
    ("llama-2-70b", llama(8192, 28672, 80, 64, 8, 32000), 68976648192, ""),
    ("llama-3-8b", llama(4096, 14336, 32, 32, 8, 128256), 8030261248, ""),
    ("gpt2", config("gpt2"), 124439808, ""),
    ("gpt2-xl", config("gpt2", n_embd=1600, n_layer=48, n_head=25), 1557611200, ""),
    ("mistral-7b", llama(4096, 14336, 32, 32, 8, 32000, "mistral"), 7241732096, ""),
    ("mixtral-8x7b", llama(4096, 14336, 32, 32, 8, 32000, "mixtral"), 46702792704, ""),
    ("qwen2.5-7b", llama(3584, 18944, 28, 28, 4, 152064, "qwen2"), 7615616512, ""),
    ("gemma-2-9b", config("gemma2", hidden_size=3584, intermediate_size=14336, num_hidden_layers=42,
                          num_attention_heads=16, num_key_value_heads=8), 9241705984, ""),
    ("deepseek-v3", config("deepseek_v3"), 671026419200, BUFFER),
    ("bert-base", config("bert"), 109482240, HEAD),
    ("vit-b-16", config("vit", num_labels=1000), 86567656, ""),
    ("whisper-small", config("whisper", d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12,
                             decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072), 241734912, ""),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--output", default=os.path.join(here, "parameter_counts.json"))
    rows = []
    for name, keys, published, difference in MODELS:
        net, _ = build(dict(config=keys), "meta")
        count = sum(parameter.numel() for parameter in net.parameters())
        assert (count == published) == (not difference), (name, count, published)
        rows.append(dict(model=name, config=keys, parameter_count=count, published=published, difference=difference))
    with open(parser.parse_args().output, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()

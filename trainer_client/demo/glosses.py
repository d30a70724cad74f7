"""Writes the demo's task: explain a word. Each row is a word of WordNet as the source and its gloss as the target.

usage: glosses.py TOKENIZER FOLDER     TOKENIZER is a tokenizer.json.

Reads WordNet (wordnet.py) and writes train.jsonl and valid.jsonl with {source_ids, target_ids} into
FOLDER, the same on every machine.
"""

import json
import pathlib
import random
import sys

import wordnet
from tokenizers import Tokenizer

MOST_TOKENS = 30  # With BOS and EOS a row then fits into 32 tokens.
TRAIN_ROWS = 4000
VALID_ROWS = 96


def definitions() -> list[tuple[str, str]]:
    """Returns every (word, definition) of WordNet in the order of its files, without example sentences."""
    return [(word, gloss.split('; "')[0].strip()) for word, gloss in wordnet.entries()]


def rows(tokenizer: Tokenizer, pairs: list[tuple[str, str]], count: int) -> list[dict[str, list[int]]]:
    """Takes pairs from the end of `pairs` until `count` of them are short enough."""
    taken: list[dict[str, list[int]]] = []
    while len(taken) < count:
        word, gloss = pairs.pop()
        source, target = tokenizer.encode(f"{word} ->").ids, tokenizer.encode(f" {gloss}").ids
        if len(source) + len(target) <= MOST_TOKENS:
            taken.append({"source_ids": source, "target_ids": target})
    return taken


def main() -> None:
    tokenizer, folder = Tokenizer.from_file(sys.argv[1]), pathlib.Path(sys.argv[2])
    pairs = definitions()
    random.Random(0).shuffle(pairs)
    for name, count in (("valid", VALID_ROWS), ("train", TRAIN_ROWS)):
        text = "".join(json.dumps(row) + "\n" for row in rows(tokenizer, pairs, count))
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

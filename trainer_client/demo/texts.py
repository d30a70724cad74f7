"""Writes the demo's texts: WordNet's glosses to pre-train on, the King James Bible to fine-tune on.

usage: texts.py FOLDER
Reads WordNet (wordnet.py) and runs `bible` (Debian's bible-kjv). Writes base_train.txt,
base_valid.txt, train.txt and valid.txt into FOLDER, one definition or verse a line, the same on every machine.
"""

import pathlib
import random
import re
import subprocess
import sys

import wordnet

BASE_TRAIN_BYTES = 900_000
TRAIN_BYTES = 300_000
VALID_BYTES = 40_000


def glosses():
    """Every definition and example sentence of WordNet, in the order of its files."""
    return [f"{word}: {gloss}" for word, gloss in wordnet.entries()]


def verses():
    """Every verse, without its number."""
    text = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout
    return [re.sub(r"^\S+\s+", "", line) for line in text.splitlines() if line.strip()]


def take(lines, size):
    """Removes lines worth `size` bytes from the end of `lines` and returns them as one text."""
    taken, total = [], 0
    while lines and total < size:
        taken.append(lines.pop())
        total += len(taken[-1].encode()) + 1
    return "\n".join(taken) + "\n"


def main():
    folder = pathlib.Path(sys.argv[1])
    shuffle = random.Random(0).shuffle
    for name, lines, size in (("base_", glosses(), BASE_TRAIN_BYTES), ("", verses(), TRAIN_BYTES)):
        shuffle(lines)
        (folder / f"{name}valid.txt").write_text(take(lines, VALID_BYTES), encoding="utf-8")
        (folder / f"{name}train.txt").write_text(take(lines, size), encoding="utf-8")


if __name__ == "__main__":
    main()

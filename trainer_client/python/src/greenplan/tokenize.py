"""Training examples as token ids, for ``greenplan-finetune``, which knows SentencePiece alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from greenplan.errors import ArgumentError


def tokenize_file(model: str, source: str, output: str) -> dict[str, Any]:
    """Writes {source_ids, target_ids} for each line {source, target} of a JSONL file.

    BOS and EOS are left to ``greenplan-finetune``, which adds them.

    Args:
        model: A folder with the files of a tokenizer that transformers reads.
        source: The file to read. Empty lines are passed over.
        output: The file to write; an existing one is replaced as a whole.

    Returns:
        ``{"output", "rows", "tokens"}``.

    Raises:
        ArgumentError: A line holds something else, or the folder holds no tokenizer.
        ImportError: transformers is not installed.
        OSError: A file cannot be read or written.
    """
    from transformers import AutoTokenizer

    if not Path(model).is_dir():
        raise ArgumentError(f"model is {model}, which is no folder; allowed: the folder of a tokenizer", field="model")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise ArgumentError(
            f"model: {model} holds no tokenizer that transformers reads: {reason}", field="model"
        ) from None
    rows = tokens = 0
    temporary = Path(f"{output}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as target:
            for example in _examples(source):
                ids = {
                    f"{part}_ids": tokenizer.encode(text, add_special_tokens=False) for part, text in example.items()
                }
                target.write(json.dumps(ids) + "\n")
                rows += 1
                tokens += sum(len(part) for part in ids.values())
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return {"output": output, "rows": rows, "tokens": tokens}


def _examples(path: str) -> Iterator[dict[str, str]]:
    with open(path, encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                example = json.loads(line)
            except ValueError as error:
                raise ArgumentError(f"input: {path}:{number} is not JSON: {error}", field="input") from None
            is_example = isinstance(example, dict) and all(
                isinstance(example.get(key), str) for key in ("source", "target")
            )
            if not is_example:
                raise ArgumentError(
                    f"input: {path}:{number} lacks the texts of an example; allowed: "
                    '{"source": "...", "target": "..."}',
                    field="input",
                )
            yield {"source": example["source"], "target": example["target"]}

"""Training examples as token ids, for ``greenplan-finetune``, which knows SentencePiece alone."""

from __future__ import annotations

import codecs
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
    if Path(output).is_dir():
        raise ArgumentError(f"output is {output}, which is a folder; allowed: a file to write", field="output")
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
        if rows == 0:
            raise ArgumentError(f"input: {source} holds no example", field="input")
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return {"output": output, "rows": rows, "tokens": tokens}


def _examples(path: str) -> Iterator[dict[str, str]]:
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            example = _parsed(f"input: {path}:{number}", line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
            if example is not None:
                yield example


def _parsed(where: str, line: bytes) -> dict[str, str] | None:
    """Reads one line; None if it is blank."""
    try:
        text = line.decode("utf-8")
        example = json.loads(text) if text.strip() else None
    except UnicodeDecodeError as error:
        raise ArgumentError(
            f"{where} is not UTF-8 at byte {error.start + 1} of the line, 0x{line[error.start]:02x}; "
            "allowed: JSON lines in UTF-8",
            field="input",
        ) from None
    except ValueError as error:
        raise ArgumentError(f"{where} is not JSON: {error}", field="input") from None
    if example is None and not text.strip():
        return None
    fields = example if isinstance(example, dict) else {}
    texts = {key: fields[key] for key in ("source", "target") if isinstance(fields.get(key), str)}
    if len(texts) < 2:
        raise ArgumentError(
            f'{where} lacks the texts of an example; allowed: {{"source": "...", "target": "..."}}', field="input"
        )
    for key, one in texts.items():
        if not one.isascii() and any("\ud800" <= character <= "\udfff" for character in one):
            raise ArgumentError(f"{where}: {key} holds half a surrogate pair, which is no Unicode text", field="input")
    return texts

"""How results are shown: tables for people, CSV for programs."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the keys as header and a line per row: None as nothing, lists and dicts joined by ``;``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_flat(value) for value in row.values()])
    return text.getvalue()


def table_text(result: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Returns one line per key of a dict, or aligned columns with a line per dict of a list."""
    if isinstance(result, Mapping):
        lines = [[key.replace("_", " "), readable(value)] for key, value in result.items()]
    else:
        header = [key.replace("_", " ") for key in result[0]] if result else []
        lines = [header, *([readable(value) for value in row.values()] for row in result)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(padded) + "\n"


def html_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Returns a table for notebooks with a line per row, of ``columns`` alone."""
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(readable(row[name]))}</td>" for name in columns) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ";".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ";".join(str(one) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def readable(value: Any) -> str:
    """Returns a value as people read it in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else _flat(value)

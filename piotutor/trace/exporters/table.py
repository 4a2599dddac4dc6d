"""Records as a table, CSV or Parquet: one row each, with the columns of `COLUMNS`."""

from __future__ import annotations

import importlib.util
import json
from typing import IO, Any

import numpy as np

from piotutor.errors import UsageError
from piotutor.trace.calls import call_of
from piotutor.trace.exporters.rows import call_names, flag_names, pieces, plain_name, words
from piotutor.trace.reader import Trace
from piotutor.trace.record import Layer, Op

COLUMNS = {
    **dict.fromkeys(("start", "end", "offset", "length", "result"), "int64"),
    **dict.fromkeys(("rank", "client", "thread", "target", "parent"), "int32"),
    **dict.fromkeys(("layer", "op", "call", "flags", "file"), "string"),
    "aux": "uint64",
    "provenance": "string",
}
"""Name of a column to its type. Times are ns; -1, and no text, mean that it doesn't apply."""
_NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind != "string")


def need(kind: str) -> None:
    """Refuse early what isn't installed.

    Raises
    ------
    UsageError
        It is pyarrow.
    """
    if kind == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow: pip install 'piotutor[parquet]', or export .csv")


def write_csv(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace as CSV: a header, then one line for each record."""
    stream.write(",".join(COLUMNS).encode() + b"\r\n")
    names = {column: [_quoted(name) for name in words] for column, words in _names(trace).items()}
    for _, piece in pieces(trace):
        indices = _indices(trace, piece)
        columns: list[list[Any]] = []
        for name in COLUMNS:
            if name in _NUMBERS:
                columns.append(list(map(str, piece[name].tolist())))
            else:
                columns.append([names[name][index] for index in indices[name].tolist()])
        lines = map(",".join, zip(*columns, strict=True))
        stream.write("".join(f"{line}\r\n" for line in lines).encode())


def write_parquet(trace: Trace, stream: IO[bytes]) -> None:
    """Write a trace as Parquet; texts are dictionaries, notes stand in the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    fields = [(name, text if kind == "string" else kind) for name, kind in COLUMNS.items()]
    told = {"provenance": trace.provenance, "dropped": str(trace.dropped)}
    told |= {"notes": json.dumps(trace.meta, default=str)}
    schema = pa.schema(fields, metadata=told)
    names = {column: pa.array(words, pa.string()) for column, words in _names(trace).items()}
    with pq.ParquetWriter(stream, schema) as writer:
        for _, piece in pieces(trace):
            indices = _indices(trace, piece)
            columns = [
                pa.array(np.ascontiguousarray(piece[name]))
                if name in _NUMBERS
                else pa.DictionaryArray.from_arrays(pa.array(indices[name]), names[name])
                for name in COLUMNS
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _names(trace: Trace) -> dict[str, list[str]]:
    """Return the texts of each column; the last of the files is that of records without one."""
    return {
        "layer": words(Layer),
        "op": words(Op),
        "call": call_names(),
        "flags": flag_names(),
        "file": [*map(plain_name, trace.files), ""],
        "provenance": [trace.provenance],
    }


def _indices(trace: Trace, piece: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each column of texts which one each record has."""
    known = (piece["file"] >= 0) & (piece["file"] < len(trace.files))
    found = {
        "layer": piece["layer"],
        "op": piece["op"],
        "call": call_of(piece["flags"]),
        "flags": piece["flags"] & 255,
        "file": np.where(known, piece["file"], len(trace.files)),
        "provenance": np.zeros(len(piece)),
    }
    return {name: values.astype(np.int32) for name, values in found.items()}


def _quoted(text: str) -> str:
    """Quote a text where CSV (RFC 4180) needs it."""
    special = any(mark in text for mark in ',"\r\n')
    return '"{}"'.format(text.replace('"', '""')) if special else text

"""The records in a saved notebook, found with plain JSON and nothing of Jupyter.

A notebook is a JSON file: ``cells`` with ``outputs`` with a ``data`` bundle by MIME type. Whatever else stands in it
(source, metadata, kernelspec, other outputs) is not looked at: that is most of what can be tampered with. The
newest record is the last one of the last cell that has one.

Left out: notebooks of format 3 and older, whose outputs had no MIME types.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

from k8slearn.errors import Refused
from k8slearn.grading.record import MIME, Doubled

MOST_BYTES = 20_000_000


def newest_record(path: Path, member: str = "") -> Any:
    """The JSON value of the newest record in a notebook file, not judged yet; None if there is none.

    `member` is the notebook's name where `path` is a zip.
    Raises `Refused` with one sentence for a file that is no readable notebook.
    """
    notebook = _parse(_text(contents(path, member)))
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise Refused("the file is JSON, and no notebook: it has no list of cells")
    found = [record for cell in notebook["cells"] for record in _records(cell)]
    return found[-1] if found else None


def contents(path: Path, member: str = "") -> bytes:
    """The bytes of a notebook that is not too large: no link is followed, no pipe awaited, nothing unpacked."""
    return _unzipped(path, member) if member else _read(path)


def _unzipped(path: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            raw = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, RuntimeError, NotImplementedError) as wrong:
        raise Refused(f"the notebook cannot be read from its zip ({type(wrong).__name__})") from wrong
    if len(raw) > MOST_BYTES:
        raise Refused(f"the notebook has more than {MOST_BYTES // 1_000_000} MB, unpacked; no more are read")
    return raw


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as wrong:
        raise Refused(f"the notebook cannot be opened: {wrong.strerror}") from wrong
    try:
        return _bytes(handle)
    finally:
        os.close(handle)


def _text(raw: bytes) -> str:
    if not raw.strip():
        raise Refused("the notebook is an empty file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise Refused(f"the notebook is not UTF-8: byte {wrong.start} cannot be read") from wrong


def _bytes(handle: int) -> bytes:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("the notebook is not a regular file")
    if status.st_size > MOST_BYTES:
        raise Refused(f"the notebook has {status.st_size // 1_000_000} MB; at most {MOST_BYTES // 1_000_000} are read")
    with os.fdopen(handle, "rb", closefd=False) as file:
        return file.read(MOST_BYTES)


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except RecursionError:
        raise Refused("the notebook is nested too deep to be read") from None
    except ValueError as wrong:
        raise Refused(f"the notebook is not JSON: {wrong}") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Doubled(pairs)


def _records(cell: Any) -> list[Any]:
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    bundles = [o.get("data") for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
    return [data[MIME] for data in bundles if isinstance(data, dict) and MIME in data]

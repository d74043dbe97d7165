"""Reading manifests: text, files, dicts and lists in, a flat list of objects out.

kubectl reads a file, splits it into documents, unfolds ``kind: List`` and asks of each object only that it says its
apiVersion and kind. So does `load`; whether the API server would take them is `admit`'s question.

Left out: kustomizations, URLs and directories.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from k8slearn.api import jsontext, kinds, yamltext
from k8slearn.errors import Refused

LONGEST = 16 * 1024 * 1024
_CACHED = 256 * 1024

_GO = {str: "string", list: "array", dict: "object", bool: "bool"}
_DECODE = 'error: unable to decode "{source}": '
_VALIDATE = (
    'error: error validating "{source}": error validating data: apiVersion not set; if you choose to ignore these '
    "errors, turn validation off with --validate=false"
)

Source = str | bytes | Path | Mapping[str, Any] | list[Any] | tuple[Any, ...]


class NotAnObject(Refused):
    """YAML that is no Kubernetes object."""

    def __init__(self, sentence: str, kubectl: str) -> None:
        super().__init__(sentence)
        self.kubectl = kubectl

    def said(self, source: str = "STDIN") -> str:
        """In kubectl's words."""
        return self.kubectl.replace("{source}", source, 1)


def load(source: Source, namespace: str = "default") -> list[dict[str, Any]]:
    """Read a manifest: YAML or JSON text, a `Path`, a dict, or a list of them; returns the objects in order.

    Objects of a namespaced kind that name no namespace get `namespace`. Raises `Refused` with one sentence.
    """
    objects = list(_objects(source))
    if not objects:
        raise Refused("error: no objects passed to apply")
    return [_placed(obj, namespace) for obj in objects]


def _objects(source: Source) -> Iterator[dict[str, Any]]:
    if isinstance(source, Path):
        source = read(source)
    if isinstance(source, bytes):
        source = _decoded(source, "the text")
    if isinstance(source, str):
        yield from _from_text(source)
    elif isinstance(source, Mapping):
        yield from _flat(_plain(source, 0))
    elif isinstance(source, (list, tuple)):
        for part in source:
            yield from _objects(part)
    else:
        raise Refused(f"cannot load a {type(source).__name__}: give YAML text, a Path, a dict or a list of dicts")


def read(path: Path) -> str:
    """The text of a file; raises `Refused` for one that is missing, too long or no text."""
    try:
        if path.stat().st_size > LONGEST:
            raise _too_long(str(path), path.stat().st_size)
        return _decoded(path.read_bytes(), str(path))
    except (OSError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refused(f'the path "{path}" cannot be read: {why}') from None


def _decoded(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{what} is not UTF-8 text: byte {error.start} is 0x{raw[error.start]:02x}") from None


def _too_long(what: str, length: int) -> Refused:
    return Refused(f"{what} has {length} bytes, more than the {LONGEST} that a manifest may have")


def _from_text(text: str) -> tuple[dict[str, Any], ...]:
    if len(text) > LONGEST:
        raise _too_long("the text", len(text))
    if text.endswith((".yaml", ".yml", ".json")) and "\n" not in text:
        raise Refused(f'"{text}" is taken as YAML text: to read a file, pass pathlib.Path("{text}")')
    return _parsed(text) if len(text) <= _CACHED else _parsed.__wrapped__(text)


@lru_cache(maxsize=128)
def _parsed(text: str) -> tuple[dict[str, Any], ...]:
    documents = jsontext.document(text) if text.lstrip()[:1] == "{" else None
    if documents is None:
        documents = yamltext.documents(text)
    return tuple(obj for document in documents if document is not None for obj in _flat(document))


def _flat(document: Any) -> Iterator[dict[str, Any]]:
    """The object, or the items of a List."""
    _identified(document)
    items = document.get("items")
    if document["kind"].endswith("List") and isinstance(items, list):
        for item in items:
            yield from _flat(item)
    else:
        yield document


def _identified(document: Any) -> None:
    """kubectl reads no more of an object than this before it asks the server."""
    if not isinstance(document, dict):
        kind = _GO.get(type(document), "number")
        raise NotAnObject(
            f"a manifest is a mapping with apiVersion and kind: this document is of type {kind}: {document!r:.60}",
            _DECODE + f"json: cannot unmarshal {kind} into Go value of type unstructured.detector",
        )
    if not isinstance(document.get("kind"), str) or not document["kind"]:
        missing = f"Object 'Kind' is missing in '{_glimpse(document)}'"
        raise NotAnObject(missing, _DECODE + missing)
    if not isinstance(document.get("apiVersion"), str) or not document["apiVersion"]:
        raise NotAnObject(f"apiVersion is missing in '{_glimpse(document)}'", _VALIDATE)
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        kind = _GO.get(type(metadata), "number")
        raise NotAnObject(
            f"metadata of {document['kind']} is of type {kind}, where a mapping is wanted: {metadata!r:.60}",
            _DECODE
            + f"json: cannot unmarshal {kind} into Go struct field metadataOnlyObject.metadata of type v1.ObjectMeta",
        )


def _glimpse(document: Any) -> str:
    text = kinds.compact(document)
    return text if len(text) <= 200 else text[:200] + "…"


def _placed(obj: dict[str, Any], namespace: str) -> dict[str, Any]:
    kind = kinds.BY_KIND.get((obj["apiVersion"].rpartition("/")[0], obj["kind"]))
    metadata = obj.get("metadata") or {}
    if kind is None or not kind.namespaced or metadata.get("namespace"):
        return obj
    return {**obj, "metadata": {**metadata, "namespace": namespace}}


def _plain(value: Any, depth: int) -> Any:
    """A copy that is JSON: a learner's dict may change later, the world must not."""
    if depth > yamltext.DEEPEST:
        raise Refused(f"the object is nested more than {yamltext.DEEPEST} deep")
    if isinstance(value, Mapping):
        return {_plain_key(k): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, depth + 1) for v in value]
    if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise Refused(f"the object holds a {type(value).__name__}, which JSON cannot say: {value!r:.60}")


def _plain_key(key: Any) -> str:
    if not isinstance(key, str):
        raise Refused(f"a key of the object is no text: {key!r:.60}")
    return key

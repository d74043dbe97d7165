"""Strict decoding: an object as the API's own types see it.

The API server unmarshals JSON into Go structs. A wrong type stops it (``json: cannot unmarshal string into Go struct
field …``); with strict field validation, kubectl's default, so does a field that no struct has. ``fields.txt``
has one line per struct: the field's names, and their types where they are not text.

A custom object has the fields that its definition's schema has (`schema`).

Left out: types of a custom object's fields: they are bounds here (`schema.wrong`), and stop it later.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, NoReturn

from k8slearn.api import quantity, schema
from k8slearn.api.kinds import Kind
from k8slearn.api.status import ApiError

Decoder = Callable[[Any, str, "list[str]"], Any]
"""(value, path of the value, unknown fields found so far) -> a fresh value without nulls."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class _Mismatch(Exception):
    """A value of another type: `why` is what Go's JSON decoder says."""


def decode(kind: Kind, obj: dict[str, Any], strict: bool = True, custom: schema.Schema | None = None) -> dict[str, Any]:
    """A fresh copy of the object without its nulls; raises BadRequest for wrong types and (`strict`) unknown fields.

    `custom`: the schema of a custom object.
    """
    unknown: list[str] = []
    try:
        found: dict[str, Any] = _of(_struct_of(kind))(obj, "", unknown)
    except _Mismatch as mismatch:
        raise _cannot(kind, str(mismatch)) from None
    unknown += schema.unknown(custom, found) if custom else ()
    if unknown and strict:
        said = ", ".join(f'unknown field "{path}"' for path in sorted(unknown))
        raise _cannot(kind, f"strict decoding error: {said}")
    return found


def _cannot(kind: Kind, why: str) -> ApiError:
    return ApiError("BadRequest", f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


def _struct_of(kind: Kind) -> str:
    known = kind.table == kind.plural and kind.kind in _lines()
    return kind.kind if known else "CustomObject"


@cache
def _lines() -> dict[str, str]:
    """Struct -> its fields, unparsed."""
    text = resources.files("k8slearn.api").joinpath("fields.txt").read_text()
    return dict(line.split(": ", 1) for line in text.splitlines() if line and line[0] != "#")


@cache
def _of(type_name: str) -> Decoder:
    """The decoder of a type as ``fields.txt`` writes it: ``string``, ``[Container]``, ``{string}``, ``PodSpec``."""
    if type_name in _SIMPLE:
        return _SIMPLE[type_name]
    if type_name[0] == "[":
        return _list(type_name[1:-1])
    if type_name[0] == "{":
        return _map(type_name[1:-1])
    return _struct(type_name)


def _struct(name: str) -> Decoder:
    types = {field: kind or "string" for field, _, kind in (w.partition("=") for w in _lines()[name].split())}
    decoders: dict[str, Decoder] = {}

    def decode_struct(value: Any, path: str, unknown: list[str]) -> Any:
        if not isinstance(value, dict):
            _mismatch(value, path, f"v1.{name}")
        found = {}
        for field, inner in value.items():
            decoder = decoders.get(field)
            if decoder is None:
                if field not in types:
                    unknown.append(f"{path}.{field}" if path else field)
                    continue
                decoder = decoders[field] = _in_struct(name, _of(types[field]))
            if inner is not None:
                found[field] = decoder(inner, f"{path}.{field}" if path else field, unknown)
        return found

    return decode_struct


def _in_struct(struct: str, decoder: Decoder) -> Decoder:
    """Go names the innermost struct in its complaint."""

    def decode_field(value: Any, path: str, unknown: list[str]) -> Any:
        try:
            return decoder(value, path, unknown)
        except _Mismatch as mismatch:
            raise _Mismatch(str(mismatch).replace("{struct}", struct)) from None

    return decode_field


def _list(of: str) -> Decoder:
    decoder: list[Decoder] = []

    def decode_list(value: Any, path: str, unknown: list[str]) -> Any:
        if not isinstance(value, list):
            _mismatch(value, path, _go_type(f"[{of}]"))
        if not decoder:
            decoder.append(_of(of))
        return [decoder[0](v, f"{path}[{i}]", unknown) for i, v in enumerate(value) if v is not None]

    return decode_list


def _map(of: str) -> Decoder:
    decoder = _of(of)

    def decode_map(value: Any, path: str, unknown: list[str]) -> Any:
        if not isinstance(value, dict):
            _mismatch(value, path, _go_type(f"{{{of}}}"))
        return {k: decoder(v, path, unknown) for k, v in value.items() if v is not None}

    return decode_map


def _go_type(type_name: str) -> str:
    if type_name[0] == "[":
        return "[]" + _go_type(type_name[1:-1])
    if type_name[0] == "{":
        return "map[string]" + _go_type(type_name[1:-1])
    return type_name if type_name in _SIMPLE else f"v1.{type_name}"


_JSON_TYPES = {bool: "bool", str: "string", dict: "object", list: "array"}


def _mismatch(value: Any, path: str, wanted: str, what: str = "") -> NoReturn:
    what = what or _JSON_TYPES.get(type(value), "number")
    where = re.sub(r"\[\d+\]", "", path)
    raise _Mismatch(f"json: cannot unmarshal {what} into Go struct field {{struct}}.{where} of type {wanted}")


def _simple(wanted: type, go_name: str) -> Decoder:
    def decode_simple(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) is not wanted:
            _mismatch(value, path, go_name)
        return value

    return decode_simple


def _number(bits: int) -> Decoder:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def decode_number(value: Any, path: str, unknown: list[str]) -> Any:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            _mismatch(value, path, f"int{bits}", f"number {value}" if type(value) in (int, float) else "")
        return value

    return decode_number


def _float(value: Any, path: str, unknown: list[str]) -> Any:
    if type(value) not in (int, float):
        _mismatch(value, path, "float64")
    return value


def _int_or_string(value: Any, path: str, unknown: list[str]) -> Any:
    return value if type(value) is str else _number(32)(value, path, unknown)


def _quantity(value: Any, path: str, unknown: list[str]) -> Any:
    if type(value) not in (str, int, float):
        _mismatch(value, path, "resource.Quantity")
    try:
        return quantity.canonical(str(value))
    except ValueError as error:
        raise _Mismatch(str(error)) from None


def _time(value: Any, path: str, unknown: list[str]) -> Any:
    if type(value) is not str:
        _mismatch(value, path, "v1.Time")
    if not _TIME.fullmatch(value):
        raise _Mismatch(f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"')
    return value


def _bytes(value: Any, path: str, unknown: list[str]) -> Any:
    if type(value) is not str:
        _mismatch(value, path, "[]uint8")
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        good = re.match(r"[A-Za-z0-9+/\r\n]*", value)
        at = good.end() if good else 0
        raise _Mismatch(f"illegal base64 data at input byte {at}") from None
    return value


def _anything(value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return {k: _anything(v, path, unknown) for k, v in value.items()}
    if isinstance(value, list):
        return [_anything(v, path, unknown) for v in value]
    return value


def _custom(value: Any, path: str, unknown: list[str]) -> Any:
    """An object that we have no struct for: its metadata is decoded, the rest is copied."""
    rest = {k: v for k, v in value.items() if k != "metadata" and v is not None}
    found = {**_anything(rest, path, unknown)}
    if value.get("metadata") is not None:
        found["metadata"] = _in_struct("PartialObjectMetadata", _of("ObjectMeta"))(
            value["metadata"], "metadata", unknown
        )
    return found


_SIMPLE: dict[str, Decoder] = {
    "string": _simple(str, "string"),
    "bool": _simple(bool, "bool"),
    "int32": _number(32),
    "int64": _number(64),
    "float64": _float,
    "intOrString": _int_or_string,
    "quantity": _quantity,
    "time": _time,
    "bytes": _bytes,
    "*": _anything,
    "CustomObject": _custom,
}

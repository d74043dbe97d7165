"""The schema of a CustomResourceDefinition: what the API server accepts of a kind that somebody added.

A definition says in OpenAPI's words which fields there are, of which type, and within which bounds. A field that it
does not have is an unknown field, as in the API's own types; a value out of bounds is an invalid one. Where it says
``x-kubernetes-preserve-unknown-fields`` (or nothing) the object is taken as it is.

The messages are those of apiextensions-apiserver/pkg/apiserver/validation and go-openapi's validator.

What is not said gets the default that the schema has for it, before anything is judged.

Left out: CEL rules (``x-kubernetes-validations``) other than those of `RULES` and `celrules.py`, ``oneOf`` and its kin,
several versions with different schemas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from k8slearn.api import celrules, names
from k8slearn.api.kinds import Kind
from k8slearn.api.status import bad, required, shown, unsupported
from k8slearn.journal import World

Schema = Mapping[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
RULES: dict[str, Callable[[Any], bool]] = {
    "isCIDR(self)": lambda value: not names.cidr(value),
    "self.start < self.end": lambda value: value["start"] < value["end"],
    **celrules.GATEWAY,
}
"""CEL rules that are understood here."""


def of(world: World, kind: Kind) -> Schema:
    """The schema of a custom kind; empty for one that has none, and for the API's own."""
    definition = world.get(("api", "customresourcedefinitions", kind.resource)) if kind.table != kind.plural else None
    versions = (definition or {}).get("spec", {}).get("versions") or ()
    version: Schema = next((v for v in versions if v["name"] == kind.version), {})
    found: Schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found


def fill(schema: Schema, value: Any) -> None:
    """Put in the schema's defaults, as the API server does with what it was sent."""
    if isinstance(value, dict):
        for field, inner in (schema.get("properties") or {}).items():
            if field not in value and "default" in inner:
                value[field] = deepcopy(inner["default"])
            if field in value:
                fill(inner, value[field])
    for one in value if isinstance(value, list) and "items" in schema else ():
        fill(schema["items"], one)


def unknown(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """The paths of fields that the schema does not have."""
    if isinstance(value, dict) and "properties" in schema and not schema.get(PRESERVE):
        own = {"apiVersion", "kind", "metadata"} if not path else set()
        for field, inner in value.items():
            here = f"{path}.{field}" if path else field
            if field in schema["properties"]:
                yield from unknown(schema["properties"][field], inner, here) if field not in own else ()
            elif field not in own:
                yield here
    if isinstance(value, list) and "items" in schema:
        for number, inner in enumerate(value):
            yield from unknown(schema["items"], inner, f"{path}[{number}]")


def wrong(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """What of a value the schema refuses, each as the API server says it."""
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        word = next(name for name, types in TYPES.items() if isinstance(value, types))
        yield bad(path, word, f'{path} in body must be of type {kind}: "{word}"')
        return
    if "enum" in schema and value not in schema["enum"]:
        yield unsupported(path, value, tuple(sorted(schema["enum"])))
    for whole, why in _bounds(schema, value):
        yield f"{path}: {why.format(path=path)}" if whole else bad(path, value, f"{path} in body {why}")
    for rule in schema.get("x-kubernetes-validations") or ():
        if rule["rule"] in RULES and not RULES[rule["rule"]](value):
            yield bad(path, value if isinstance(value, str) else kind, rule["message"])
    yield from _inside(schema, value, path)


def _bounds(schema: Schema, value: Any) -> Iterator[tuple[bool, str]]:
    """(is it a whole message?, what is said) of every bound that a value breaks."""
    if isinstance(value, int | float):
        if value < schema.get("minimum", value):
            yield False, f"should be greater than or equal to {schema['minimum']}"
        if value > schema.get("maximum", value):
            yield False, f"should be less than or equal to {schema['maximum']}"
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            yield True, f"Too long: may not be more than {schema['maxLength']} bytes"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield False, f"should match '{schema['pattern']}'"
    for of, what in ((list, "Items"), (dict, "Properties")):
        if isinstance(value, of):
            size = len(value)
            if size > schema.get(f"max{what}", size):
                yield True, f"Too many: {size}: must have at most {schema[f'max{what}']} items"
            if size < schema.get(f"min{what}", size):
                said = f"{{path}} in body should have at least {schema[f'min{what}']} {what.lower()}"
                yield True, f"Invalid value: {shown(size)}: {said}"


def _inside(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for field in schema.get("required") or ():
            if field not in value and not (not path and field == "metadata"):
                yield required(f"{path}.{field}" if path else field)
        for field, inner in (schema.get("properties") or {}).items():
            if field in value and (path or field not in ("apiVersion", "kind", "metadata")):
                yield from wrong(inner, value[field], f"{path}.{field}" if path else field)
    if isinstance(value, list) and "items" in schema:
        for number, one in enumerate(value):
            yield from wrong(schema["items"], one, f"{path}[{number}]")

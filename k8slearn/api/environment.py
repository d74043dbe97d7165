"""A container's environment, as its spec says it: values, keys of ConfigMaps and Secrets, fields of the pod itself.

The kubelet works it out once, when it starts the container: a ConfigMap that changes later changes nothing in there.
Where one is missing that is not optional the container cannot be made (CreateContainerConfigError): `missing` has the
words. ``$(NAME)`` in a value stands for a variable that was said before it; ``$$`` is a dollar.

The Services that were there when it started are variables too (`services`): those of its namespace, and ``kubernetes``.

Left out: ``resourceFieldRef``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from k8slearn.journal import Table, World

Obj = dict[str, Any]
_REFERENCE = re.compile(r"\$(?:\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")


class Source(NamedTuple):
    """A ConfigMap or Secret that a container's environment is read from."""

    table: str
    title: str
    """As the kubelet's messages call it: ``ConfigMap``."""
    name: str
    key: str
    """The one key that is wanted; empty: all of them."""
    optional: bool


TITLES = {"configMap": ("configmaps", "ConfigMap"), "secret": ("secrets", "Secret")}


def of(world: World, pod: Obj, container: Obj) -> dict[str, str]:
    """The variables that a container of this pod is given now."""
    found: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        for source in _sources(entry, "Ref"):
            values = data(world, pod, source.table, source.name) or {}
            found |= {entry.get("prefix", "") + key: value for key, value in values.items()}
    for entry in container.get("env") or ():
        value = _value(world, pod, entry)
        if value is not None:
            found[entry["name"]] = _REFERENCE.sub(lambda m: _expanded(m, found), value)
    return found


def _expanded(reference: re.Match[str], known: dict[str, str]) -> str:
    return "$" if reference[1] is None else known.get(reference[1], reference[0])


Pairs = tuple[tuple[str, str], ...]


def services(world: World, pod: Obj) -> Pairs:
    """The variables of the Services that a container of this pod is told of (kubelet_pods.go: getServiceEnvVarMap)."""
    known = world.table("api", "services").index(_of_services)
    namespace, linked = pod["metadata"]["namespace"], pod["spec"].get("enableServiceLinks", True)
    first: Pairs = known.get("", ())
    return (*first, *known.get(namespace, ())) if linked else first


def _of_services(rows: Table) -> dict[str, Pairs]:
    """The variables by namespace; without one: those of ``default/kubernetes``, which every container gets."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(map(str, rows)):
        namespace = "" if key == "default/kubernetes" else key.partition("/")[0]
        if rows[key]["spec"].get("clusterIP") not in (None, "", "None"):
            found.setdefault(namespace, []).extend(_of_service(rows[key]))
    return {namespace: tuple(pairs) for namespace, pairs in found.items()}


def _of_service(service: Obj) -> Iterator[tuple[str, str]]:
    """``WEB_SERVICE_HOST``, and the older ``WEB_PORT_80_TCP_ADDR`` (envvars.go: FromServices)."""
    prefix, spec = _capital(service["metadata"]["name"]), service["spec"]
    address, ports = spec["clusterIP"], spec.get("ports") or []
    yield f"{prefix}_SERVICE_HOST", address
    for number, port in enumerate(ports):
        if not number:
            yield f"{prefix}_SERVICE_PORT", str(port["port"])
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_capital(port['name'])}", str(port["port"])
    for number, port in enumerate(ports):
        proto = port["protocol"]
        url = f"{proto.lower()}://{f'[{address}]' if ':' in address else address}:{port['port']}"
        one = f"{prefix}_PORT_{port['port']}_{proto}"
        yield from () if number else ((f"{prefix}_PORT", url),)
        yield from ((one, url), (f"{one}_PROTO", proto.lower()), (f"{one}_PORT", str(port["port"])))
        yield f"{one}_ADDR", address


def _capital(name: str) -> str:
    return name.upper().replace("-", "_")


def missing(world: World, pod: Obj, container: Obj) -> str:
    """Why the environment cannot be worked out, in the kubelet's words; empty: it can."""
    wanted = [s for entry in container.get("envFrom") or () for s in _sources(entry, "Ref")]
    wanted += [s for entry in container.get("env") or () for s in _sources(entry.get("valueFrom") or {}, "KeyRef")]
    namespace = pod["metadata"].get("namespace", "default")
    for source in wanted:
        there = data(world, pod, source.table, source.name)
        if there is None and not source.optional:
            return f'{source.table[:-1]} "{source.name}" not found'
        if there is not None and source.key and source.key not in there and not source.optional:
            return f"couldn't find key {source.key} in {source.title} {namespace}/{source.name}"
    return ""


def _sources(entry: Obj, ending: str) -> Iterator[Source]:
    for field, (table, title) in TITLES.items():
        wanted = entry.get(field + ending)
        if wanted:
            yield Source(table, title, wanted.get("name", ""), wanted.get("key", ""), bool(wanted.get("optional")))


def data(world: World, pod: Obj, table: str, name: str) -> dict[str, str] | None:
    """What a ConfigMap or a Secret of the pod's namespace holds, as text; None: there is none."""
    obj = world.get(("api", table, f"{pod['metadata'].get('namespace', 'default')}/{name}"))
    if obj is None:
        return None
    values = obj.get("data") or {}
    return values if table == "configmaps" else {key: _decoded(value) for key, value in values.items()}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return value


def _value(world: World, pod: Obj, entry: Obj) -> str | None:
    """One variable's value; None: it is optional, and there is none."""
    reference = entry.get("valueFrom") or {}
    for source in _sources(reference, "KeyRef"):
        return (data(world, pod, source.table, source.name) or {}).get(source.key)
    if "fieldRef" in reference:
        found: Any = pod
        for field in reference["fieldRef"]["fieldPath"].split("."):
            found = found.get(field) if isinstance(found, dict) else None
        if isinstance(found, list):  # status.podIPs, status.hostIPs
            return ",".join(str(each.get("ip", "")) for each in found)
        return "" if found is None else str(found)
    return str(entry.get("value", ""))

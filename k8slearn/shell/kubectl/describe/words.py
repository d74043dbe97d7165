"""The pieces that every page of ``kubectl describe`` is made of: labels, annotations, events.

Left out: nothing that a page here needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8slearn.api.defaults import MIRROR
from k8slearn.shell.kubectl import ages
from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.get import seen, when

Obj = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST = 140
"""Annotations longer than this begin a line of their own, and are cut."""


def indented(level: int, lines: Iterable[str]) -> Iterator[str]:
    """The lines, two blanks further in for each level."""
    for line in lines:
        yield "  " * level + line


def pairs(title: str, values: Mapping[str, str] | None, indent: str = "\t") -> Iterator[str]:
    """``Labels:  app=web`` and one line for each further pair."""
    first = f"{title}:{indent}"
    for key, value in sorted((values or {}).items()):
        yield f"{first}{key}={value}"
        first = indent
    if not values:
        yield f"{title}:{indent}<none>"


def labels(obj: Obj) -> Iterator[str]:
    return pairs("Labels", obj["metadata"].get("labels"))


def annotated(obj: Obj, title: str = "Annotations") -> Iterator[str]:
    """Annotations but kubectl's own; long ones below their key."""
    values = {k: v for k, v in (obj["metadata"].get("annotations") or {}).items() if k != LAST_APPLIED}
    first = f"{title}:\t"
    for key, value in sorted(values.items()):
        value = value.removesuffix("\n")
        if len(value) + len(key) + 2 > _LONGEST or "\n" in value:
            yield f"{first}{key}:"
            for line in value.split("\n"):
                yield "\t  " + (line[: _LONGEST - 2] + "..." if len(line) > _LONGEST - 2 else line)
        else:
            yield f"{first}{key}: {value}"
        first = "\t"
    if not values:
        yield first + "<none>"


def heading(obj: Obj, namespace: bool = True) -> Iterator[str]:
    """Name, namespace, labels and annotations: how most pages begin."""
    yield f"Name:\t{obj['metadata']['name']}"
    if namespace:
        yield f"Namespace:\t{obj['metadata'].get('namespace', '')}"
    yield from labels(obj)
    yield from annotated(obj)


def events(request: Request, obj: Obj) -> Iterator[str]:
    """What components said about this object."""
    found = about(request, obj)
    if not found:
        yield "Events:\t<none>"
        return
    yield "Events:"
    yield "  Type\tReason\tAge\tFrom\tMessage"
    yield "  ----\t------\t----\t----\t-------"
    for event in found:
        source = (event.get("source") or {}).get("component") or event.get("reportingComponent", "")
        yield "  " + "\t".join((event["type"], event["reason"], seen(request, event), source, event["message"].strip()))


def about(request: Request, obj: Obj) -> list[Obj]:
    """The events about an object, the oldest first; those about a static pod carry the uid that its node gave it."""
    rows = request.world.table("api", "events")
    name = obj["metadata"]["name"]
    uid = (obj["metadata"].get("annotations") or {}).get(MIRROR) or obj["metadata"].get("uid", "")
    found = [
        rows[key]
        for key in sorted(rows, key=str)
        if rows[key]["involvedObject"].get("name") == name
        and rows[key]["involvedObject"].get("kind") == obj["kind"]
        and rows[key]["involvedObject"].get("uid", uid) in (uid, name)
    ]
    return sorted(found, key=when)


def controller(obj: Obj) -> str:
    """``ReplicaSet/web-5d8f``: who made it and looks after it."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((f"{o['kind']}/{o['name']}" for o in owners if o.get("controller")), "")


def created(obj: Obj) -> str:
    return ages.rfc1123(obj["metadata"].get("creationTimestamp"))


def yes(value: Any) -> str:
    """Go's ``true`` and ``false``."""
    return "true" if value else "false"

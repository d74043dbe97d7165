"""``kubectl label``, ``annotate``, ``taint``, ``cordon``, ``scale`` and ``set image``: one part of an object changed.

Left out: ``--resource-version``, ``set`` for anything but images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k8slearn import api
from k8slearn.api.kinds import Kind
from k8slearn.linux.program import Result
from k8slearn.shell.kubectl import written
from k8slearn.shell.kubectl.change import FILES, is_dry
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, switch, usage
from k8slearn.shell.kubectl.resources import SELECTING, found, wanted

Obj = dict[str, Any]
FLAGS: dict[str, Flag] = {**FILES, **SELECTING, "overwrite": switch(), "all": switch(), "list": switch()}


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Resources, then changes: the first word with ``=`` in it, or with ``-`` at its end, begins the changes."""
    for i, word in enumerate(words):
        if "=" in word or (i and word.endswith("-")):
            return list(words[:i]), list(words[i:])
    return list(words), []


def _changes(changes: Sequence[str], what: str) -> tuple[dict[str, str], list[str]]:
    """What to set and what to take away."""
    put, remove = {}, []
    for change in changes:
        key, equals, value = change.partition("=")
        if equals:
            put[key] = value
        elif change.endswith("-"):
            remove.append(change[:-1])
        else:
            fail(f"error: unknown {what} argument: {change}")
    both = sorted(set(put) & set(remove))
    if both:
        article = "an" if what[0] in "aeiou" else "a"
        fail(f"error: can not both modify and remove {article} {what} in the same command: {both[0]}")
    return put, remove


def _objects(request: Request, words: Sequence[str]) -> list[tuple[Kind, Obj]]:
    out: list[tuple[Kind, Obj]] = []
    for want in wanted(request.world, words):
        if not want.names and not (request.flags["all"] or request.flags["selector"]):
            fail("error: resource(s) were provided, but no name was specified")
        got = found(request, want)
        if got.missing:
            fail(got.missing[0])
        out += [(want.kind, obj) for obj in got.objects]
    return out


def label(request: Request) -> Doing:
    """``kubectl label TYPE NAME KEY=VALUE KEY-``."""
    return (yield from _edit(request, "labels", "label"))


def annotate(request: Request) -> Doing:
    """``kubectl annotate TYPE NAME KEY=VALUE KEY-``."""
    return (yield from _edit(request, "annotations", "annotation"))


def _edit(request: Request, field: str, what: str) -> Doing:
    resources, changes = _split(request.words)
    if not changes and not request.flags["list"]:
        fail(f"error: at least one {what} update is required")
    put, remove = _changes(changes, what)
    out = ""
    for _, obj in _objects(request, resources):
        before = obj["metadata"].get(field) or {}
        if request.flags["list"]:
            out += "".join(f"{k}={v}\n" for k, v in sorted(before.items()))
            continue
        for key, value in put.items():
            if before.get(key, value) != value and not request.flags["overwrite"]:
                fail(f"error: '{key}' already has a value ({before[key]}), and --overwrite is false")
        after = {k: v for k, v in {**before, **put}.items() if k not in remove}
        if after != before and not is_dry(request):
            yield from api.replace(request.world, {**obj, "metadata": {**obj["metadata"], field: after}})
        out += f"{written.name(obj)} {_word(what, before, after, put)}{_dry(request)}\n"
    return Result(out)


def _word(what: str, before: Obj, after: Obj, put: Obj) -> str:
    if what == "annotation":
        return "annotated"
    if before == after:
        return "not labeled"
    return "labeled" if put else "unlabeled"


def _dry(request: Request) -> str:
    return " (dry run)" if is_dry(request) else ""


def taint(request: Request) -> Doing:
    """``kubectl taint nodes NAME KEY=VALUE:EFFECT KEY-``."""
    cut = next((i for i, w in enumerate(request.words) if ":" in w or w.endswith("-")), len(request.words))
    resources, changes = request.words[:cut], request.words[cut:]
    if not changes:
        fail("error: at least one taint update is required")
    out = ""
    for _, node in _objects(request, resources):
        taints = list((node.get("spec") or {}).get("taints") or ())
        for change in changes:
            taints = _tainted(request, node, taints, change)
        if not is_dry(request):
            yield from api.replace(request.world, {**node, "spec": {**(node.get("spec") or {}), "taints": taints}})
        word = "untainted" if all(c.endswith("-") for c in changes) else "tainted"
        out += f"{written.name(node)} {word}\n"
    return Result(out)


def _tainted(request: Request, node: Obj, taints: list[Obj], change: str) -> list[Obj]:
    pair, _, effect = change.rstrip("-").partition(":")
    key, _, value = pair.partition("=")
    same = [t for t in taints if t["key"] == key and effect in ("", t["effect"])]
    rest = [t for t in taints if t not in same]
    if change.endswith("-"):
        if not same:
            fail(f'error: taint "{change[:-1]}" not found')
        return rest
    if effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        fail(f"error: invalid taint effect: {effect}, unsupported taint effect")
    if same and not request.flags["overwrite"]:
        name = node["metadata"]["name"]
        fail(f"error: node {name} already has {key} taint(s) with same effect(s) and --overwrite is false")
    return [*rest, {"key": key, **({"value": value} if value else {}), "effect": effect}]


def cordon(request: Request) -> Doing:
    """``kubectl cordon NODE``: no new pods."""
    return (yield from _unschedulable(request, True))


def uncordon(request: Request) -> Doing:
    """``kubectl uncordon NODE``."""
    return (yield from _unschedulable(request, False))


def _unschedulable(request: Request, wanted_value: bool) -> Doing:
    if not request.words:
        usage(f"USAGE: {request.command} NODE [flags]", request.command)
    out = ""
    word = f"{request.command}ed"
    for _, node in _objects(request, [f"node/{w.removeprefix('node/')}" for w in request.words]):
        spec = {k: v for k, v in (node.get("spec") or {}).items() if k != "unschedulable"}
        already = bool((node.get("spec") or {}).get("unschedulable")) == wanted_value
        if not already and not is_dry(request):
            spec = {**spec, **({"unschedulable": True} if wanted_value else {})}
            yield from api.replace(request.world, {**node, "spec": spec})
        out += f"{written.name(node)} {'already ' if already else ''}{word}{_dry(request)}\n"
    return Result(out)


SCALE_FLAGS: dict[str, Flag] = {**FLAGS, "replicas": Flag(), "current-replicas": Flag()}
_SCALED = {"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"}


def scale(request: Request) -> Doing:
    """``kubectl scale TYPE NAME --replicas=N``."""
    if "replicas" not in request.given:
        fail('error: required flag(s) "replicas" not set')
    count = _count(request.flags["replicas"], "replicas")
    out = ""
    for kind, obj in _objects(request, request.words):
        if kind.kind not in _SCALED:
            fail("Error from server (NotFound): the server could not find the requested resource")
        expected = request.flags["current-replicas"]
        if expected and _count(expected, "current-replicas") != obj["spec"].get("replicas"):
            fail(f"error: Expected replicas to be {expected}, was {obj['spec'].get('replicas')}")
        if not is_dry(request):
            yield from api.replace(request.world, {**obj, "spec": {**obj["spec"], "replicas": count}})
        out += f"{written.name(obj)} scaled{_dry(request)}\n"
    return Result(out)


def _count(text: str, flag: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        if text.startswith("-") and text[1:].isdecimal():
            fail("error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
        fail(
            f'error: invalid argument "{text}" for "--{flag}" flag: strconv.ParseInt: parsing "{text}": invalid syntax'
        )
    return int(text)


def set_part(request: Request) -> Doing:
    """``kubectl set image TYPE NAME CONTAINER=IMAGE``."""
    if request.words[:1] != ("image",):
        fail("error: of kubectl set, only `kubectl set image TYPE/NAME CONTAINER=IMAGE` is modelled: use kubectl apply")
    resources, changes = _split(request.words[1:])
    if not changes:
        fail("error: at least one image update is required")
    put, _ = _changes(changes, "image")
    out = ""
    for _, obj in _objects(request, resources):
        new = _with_images(obj, put)
        if new != obj:
            if not is_dry(request):
                yield from api.replace(request.world, new)
            out += f"{written.name(obj)} image updated{_dry(request)}\n"
    return Result(out)


def _with_images(obj: Obj, images: dict[str, str]) -> Obj:
    template = obj["spec"].get("template")
    spec = obj["spec"] if template is None else template["spec"]
    names = [c["name"] for c in spec["containers"]]
    for name in images:
        if name != "*" and name not in names:
            fail(f'error: unable to find container named "{name}"')
    containers = [{**c, "image": images.get(c["name"]) or images.get("*") or c["image"]} for c in spec["containers"]]
    spec = {**spec, "containers": containers}
    return {**obj, "spec": spec if template is None else {**obj["spec"], "template": {**template, "spec": spec}}}


COMMANDS: dict[str, Kubectl] = {
    "label": Kubectl(label, FLAGS),
    "annotate": Kubectl(annotate, FLAGS),
    "taint": Kubectl(taint, FLAGS),
    "cordon": Kubectl(cordon, FLAGS),
    "uncordon": Kubectl(uncordon, FLAGS),
    "scale": Kubectl(scale, SCALE_FLAGS),
    "set": Kubectl(set_part, FLAGS),
}

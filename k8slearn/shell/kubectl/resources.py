"""Which objects a command line means: ``pods``, ``pod web``, ``deploy/web``, ``svc,ep -l app=web``, ``all``.

Left out: ``-k``, URLs and directories as files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8slearn.api import ApiError, kinds, known, selectors
from k8slearn.api.kinds import Kind
from k8slearn.errors import Refused
from k8slearn.journal import Key, World
from k8slearn.shell.kubectl.command import Flag, Request, fail, switch

Obj = dict[str, Any]

SELECTING: dict[str, Flag] = {
    "all-namespaces": switch("A"),
    "selector": Flag("l"),
    "field-selector": Flag(),
    "filename": Flag("f", many=True),
    "recursive": switch("R", idle="-f names files, not folders"),
    "ignore-not-found": switch(),
}
ALL = (
    "Pod",
    "ReplicationController",
    "Service",
    "DaemonSet",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "CronJob",
    "Job",
)
"""What ``kubectl get all`` shows, in its order. It is far from all."""
NOTHING = (
    "error: You must provide one or more resources by argument or filename.\nExample resource specifications include:\n"
    "   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kind, and the names that were given (none: all of them)."""

    kind: Kind
    names: tuple[str, ...] = ()


def wanted(world: World, words: Sequence[str]) -> list[Wanted]:
    """What the positional words of a command mean. Ends with kubectl's words if they mean nothing."""
    if not words:
        fail(NOTHING)
    if "/" in words[0]:
        return _slashed(world, words)
    if any("/" in word for word in words[1:]):
        fail(
            "error: there is no need to specify a resource type as a separate argument when passing arguments in "
            "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource "
            "resource/<resource_name>'"
        )
    found = [kind for word in words[0].split(",") for kind in _kinds(world, word)]
    return [Wanted(kind, tuple(words[1:])) for kind in dict.fromkeys(found)]


def _slashed(world: World, words: Sequence[str]) -> list[Wanted]:
    found: list[Wanted] = []
    for word in words:
        resource, slash, name = word.partition("/")
        if not slash or not name or "/" in name:
            fail(
                "error: there is no need to mix resource/name arguments with others"
                if not slash
                else f"error: arguments in resource/name form must have a single resource and name: {word!r}"
            )
        kind = _kinds(world, resource)[0]
        if found and found[-1].kind == kind:
            found[-1] = Wanted(kind, (*found[-1].names, name))
        else:
            found.append(Wanted(kind, (name,)))
    return found


def _kinds(world: World, word: str) -> list[Kind]:
    if word == "all":
        return [kinds.named(k) for k in ALL]
    try:
        return [known(world, word)]
    except Refused as error:
        fail(str(error))


Look = Callable[[World, Kind], Mapping[Any, Obj]]
"""Where the objects of a kind are: `stored`, or `api.shown` for who only reads."""


def stored(world: World, kind: Kind) -> Mapping[Any, Obj]:
    """The objects that somebody wrote."""
    return world.table("api", kind.table)


@dataclass(frozen=True, slots=True)
class Found:
    """The objects of one kind, and kubectl's sentences about names that nobody has."""

    kind: Kind
    objects: tuple[Obj, ...]
    missing: tuple[str, ...]


def found(request: Request, want: Wanted, look: Look = stored) -> Found:
    """Look a `Wanted` up, with the namespace and selectors of the request."""
    rows = look(request.world, want.kind)
    if not want.names:
        return Found(want.kind, tuple(chosen(request, want.kind, look)), ())
    objects, missing = [], []
    for name in want.names:
        obj = rows.get(want.kind.key(name, request.namespace)[2])
        if obj is not None:
            objects.append(obj)
        elif not request.flags.get("ignore-not-found"):
            missing.append(f'Error from server (NotFound): {want.kind.resource} "{name}" not found')
    return Found(want.kind, tuple(objects), tuple(missing))


def chosen(request: Request, kind: Kind, look: Look = stored) -> list[Obj]:
    """All objects of a kind that the request's namespace and selectors let through, in etcd's order."""
    rows = look(request.world, kind)
    start = "" if request.flags.get("all-namespaces") or not kind.namespaced else f"{request.namespace}/"
    terms = selectors.parse(request.flags["selector"]) if request.flags.get("selector") else ()
    fields = _fields(request.flags.get("field-selector", ""))
    return [
        rows[name]
        for name in _in_order(kind, rows)
        if str(name).startswith(start)
        and all(selectors.holds(t, selectors.labels(rows[name])) for t in terms)
        and all((_at(rows[name], path) == value) is equal for path, equal, value in fields)
    ]


def _in_order(kind: Kind, rows: Mapping[Any, Obj]) -> list[Any]:
    """etcd's order, by key. An event's name ends in the moment of its birth in life, and in a digest here: its
    revision stands for that moment."""
    if kind.kind != "Event":
        return sorted(rows, key=str)
    return sorted(rows, key=lambda name: (str(name).rpartition(".")[0], _revision(rows[name])))


def _revision(obj: Obj) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


def _fields(text: str) -> list[tuple[str, bool, str]]:
    """``status.phase!=Running`` -> ("status.phase", False, "Running")."""
    found = []
    for term in filter(None, text.split(",")):
        path, sign, value = term.partition("=")
        if not sign:
            fail(f"error: invalid selector: '{text}'; can't understand '{term}'")
        found.append((path.rstrip("!"), not path.endswith("!"), value.removeprefix("=")))
    return found


def _at(obj: Obj, path: str) -> str:
    value: Any = obj
    for field in path.split("."):
        value = value.get(field) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def key_of(kind: Kind, obj: Obj) -> Key:
    """Where an object's row is."""
    return kind.key(obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


def one(request: Request, words: Sequence[str], default: str = "") -> tuple[Kind, Obj]:
    """The single object that a command acts on: ``web`` (of the default kind), ``deploy/web`` or ``deploy web``."""
    if default and len(words) == 1 and "/" not in words[0]:
        words = (default, words[0])
    want = wanted(request.world, words)[0]
    got = found(request, want)
    if got.missing:
        fail(got.missing[0])
    if not want.names or not got.objects:
        fail(NOTHING)
    return got.kind, got.objects[0]


def warned_of(sentences: Iterable[str]) -> str:
    """What the API server warns of; kubectl prints each sentence once."""
    return "".join(f"Warning: {sentence}\n" for sentence in dict.fromkeys(sentences))


def refused(error: ApiError, doing: str = "", source: str = "STDIN") -> str:
    """An API error as kubectl prints it."""
    return error.said(doing, source)

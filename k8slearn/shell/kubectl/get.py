"""``kubectl get``: a table of objects, or the objects themselves.

Left out: ``--watch`` (the cluster is at rest after every command), ``--raw``, subresources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k8slearn.api import load, selectors, shown, warnings
from k8slearn.errors import Refused
from k8slearn.linux.program import Result
from k8slearn.shell.kubectl import ages, columns, files, jsonpath, written
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, switch
from k8slearn.shell.kubectl.resources import SELECTING, Found, Wanted, found, wanted, warned_of
from k8slearn.shell.kubectl.tabs import table

Obj = dict[str, Any]

FLAGS: dict[str, Flag] = {
    **SELECTING,
    "output": Flag("o"),
    "template": Flag(),
    "show-labels": switch(),
    "label-columns": Flag("L", many=True),
    "no-headers": switch(),
    "show-kind": switch(),
    "sort-by": Flag(),
    "watch": switch("w"),
    "watch-only": switch(),
    "show-managed-fields": switch(idle="no object here has managedFields"),
    "server-print": Flag(
        takes=False, default="true", instead="the server's columns are those that there are", taken=("true",)
    ),
    "output-watch-events": switch(idle="it belongs to --watch"),
    "subresource": Flag(instead="the whole object has its status; kubectl get TYPE NAME -o yaml shows it"),
}
_NO_TYPE = (
    'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list of supported '
    'resources.\n\nerror: Required resource not specified.\nUse "kubectl explain <resource>" for a detailed '
    "description "
    "of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples"
)
_NO_WATCH = (
    "error: --watch is not modelled: the cluster is at rest after every command, so ask again after the next one"
)


def get(request: Request) -> Doing:
    """``kubectl get TYPE [NAME...]``."""
    yield from ()
    if request.flags["watch"] or request.flags["watch-only"]:
        fail(_NO_WATCH)
    wants = _wants(request)
    if request.flags["all-namespaces"] and any(w.names for w in wants):
        fail("error: a resource cannot be retrieved by name across all namespaces")
    groups = [found(request, want, shown) for want in wants]
    said = warned_of(sentence for want in wants for sentence in warnings({"kind": want.kind.kind}))
    missing = "".join(line + "\n" for group in groups for line in group.missing)
    output = _output(request)
    if output in ("", "wide"):
        several = len(wants) > 1 or request.flags["show-kind"]
        text = "\n".join(filter(None, (_table(request, g, several) for g in groups)))
        if not text and not missing and not request.flags["ignore-not-found"]:
            return Result(stderr=said + _nothing(request, all(w.kind.namespaced for w in wants)))
        return Result(text, said + missing, bool(missing))
    objects = [obj for group in groups for obj in _sorted(request, group.objects)]
    if missing and not objects:
        return Result(stderr=said + missing, exit_code=1)
    single = len(objects) == 1 and sum(len(w.names) for w in wants) == 1
    return Result(written.printed(output, objects, single), said + missing, bool(missing))


def _output(request: Request) -> str:
    """``-o go-template --template=TEXT`` is ``-o go-template=TEXT``; without ``-o`` too."""
    output, template = request.flags["output"], request.flags["template"]
    return f"{output or 'go-template'}={template}" if template and "=" not in output else str(output)


def _wants(request: Request) -> list[Wanted]:
    if request.flags["filename"]:
        objects = load(files.texts(request), request.namespace)
        return [w for o in objects for w in wanted(request.world, [f"{_typed(o)}/{o['metadata'].get('name', '')}"])]
    if not request.words:
        fail(_NO_TYPE)
    return wanted(request.world, request.words)


def _typed(obj: Obj) -> str:
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{obj['kind']}.{group}" if group else str(obj["kind"])


def _nothing(request: Request, namespaced: bool) -> str:
    if request.flags["all-namespaces"] or not namespaced:
        return "No resources found\n"
    return f"No resources found in {request.namespace} namespace.\n"


def _sorted(request: Request, objects: Sequence[Obj]) -> Sequence[Obj]:
    path = request.flags["sort-by"].strip("{}")
    if not path:
        return objects
    values = [jsonpath.first(path, o) for o in objects]
    if objects and all(v is None for v in values):
        raise Refused(f"error: couldn't find any field with path {{{path}}} in the list of objects")
    order = sorted(range(len(objects)), key=lambda i: _sortable(values[i]))
    return [objects[i] for i in order]


def _sortable(value: Any) -> tuple[int, float, str]:
    """Absent first, numbers by size, everything else as text."""
    if value is None:
        return (0, 0, "")
    return (1, float(value), "") if isinstance(value, (int, float)) else (2, 0, str(value))


def _table(request: Request, group: Found, several: bool) -> str:
    """One kind's table; with several kinds its names say what they are."""
    if not group.objects:
        return ""
    wide = request.flags["output"] == "wide"
    shown = [c for c in columns.of(request.world, group.kind) if wide or not c.wide]
    labels = [label for flag in request.flags["label-columns"] for label in flag.split(",")]
    everywhere = request.flags["all-namespaces"] and group.kind.namespaced
    header = ["NAMESPACE"] * everywhere + [c.header for c in shown]
    header += [label.rpartition("/")[2].upper() for label in labels] + ["LABELS"] * request.flags["show-labels"]
    rows = [] if request.flags["no-headers"] else [header]
    for obj in _sorted(request, group.objects):
        cells = [c.value(request.world, obj) for c in shown]
        if several:
            prefix = written.name(obj).rpartition("/")[0] + "/"
            cells = [prefix + cell if c.header == "NAME" else cell for c, cell in zip(shown, cells, strict=True)]
        having = selectors.labels(obj)
        cells += [having.get(label, "") for label in labels]
        if request.flags["show-labels"]:
            cells.append(",".join(f"{k}={v}" for k, v in sorted(having.items())) or "<none>")
        rows.append([obj["metadata"].get("namespace", "")] * everywhere + [_oneline(cell) for cell in cells])
    return table(rows)


def _oneline(cell: str) -> str:
    """kubectl cuts a cell at its first line break."""
    line, more, _ = cell.partition("\n")
    return line + "..." if more else line


EVENT_FLAGS: dict[str, Flag] = {
    "all-namespaces": switch("A"),
    "for": Flag(),
    "types": Flag(),
    "no-headers": switch(),
    "output": Flag("o"),
    "watch": switch("w"),
    "selector": Flag("l"),
}


def events(request: Request) -> Doing:
    """``kubectl events [--for TYPE/NAME]``: the oldest first."""
    yield from ()
    if request.flags["watch"]:
        fail(_NO_WATCH)
    objects = list(_events(request))
    if request.flags["output"]:
        return Result(written.printed(request.flags["output"], objects, False))
    if not objects:
        where = "" if request.flags["all-namespaces"] else f" in {request.namespace} namespace."
        return Result(stderr=f"No events found{where}\n")
    everywhere = request.flags["all-namespaces"]
    header = ["NAMESPACE"] * everywhere + ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    rows = [] if request.flags["no-headers"] else [header]
    for event in objects:
        about = event["involvedObject"]
        cells = [seen(request, event), event["type"], event["reason"], f"{about['kind']}/{about['name']}"]
        rows.append([event["metadata"]["namespace"]] * everywhere + [*cells, event["message"].strip()])
    return Result(table(rows))


def _events(request: Request) -> list[Obj]:
    from k8slearn.shell.kubectl.resources import chosen, one

    objects = chosen(request, wanted(request.world, ["events"])[0].kind)
    types = {t.capitalize() for t in filter(None, request.flags["types"].split(","))}
    objects = [o for o in objects if not types or o["type"] in types]
    if request.flags["for"]:
        kind, obj = one(request, [request.flags["for"]], "pod")
        about = (kind.kind, obj["metadata"]["name"])
        objects = [o for o in objects if (o["involvedObject"]["kind"], o["involvedObject"]["name"]) == about]
    return sorted(objects, key=when)


def when(event: Obj) -> tuple[str, int]:
    """When an event was last said; within a second, the order in which the API server took them."""
    return str(event.get("lastTimestamp")), int(event["metadata"].get("resourceVersion") or 0)


def seen(request: Request, event: Obj) -> str:
    """``5s (x3 over 2m)``: when it was last said, and how often since when."""
    last = ages.since(request.world, event.get("lastTimestamp"))
    if event.get("count", 1) < 2:
        return last
    return f"{last} (x{event['count']} over {ages.since(request.world, event.get('firstTimestamp'))})"


COMMANDS = {"get": Kubectl(get, FLAGS), "events": Kubectl(events, EVENT_FLAGS)}

"""Records what the real kubectl prints, when it is told of our objects: ``python -m tests.shell.kubectl_record``.

kubectl makes ``describe``'s pages, ``-o yaml`` and the layout of tables itself, out of what the API server sends. So a
tiny read-only API server over a world is enough to hold ours against it. The cells of a table are the server's in
life, and ours here: what is recorded of ``kubectl get`` is its layout.

The file says at which second of the logical clock it was recorded, because ages are counted from the real clock.
"""

from __future__ import annotations

import datetime
import json
import os
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlparse

from k8slearn import api
from k8slearn.api import EPOCH, kinds, selectors
from k8slearn.journal import World
from k8slearn.shell.kubectl import columns
from k8slearn.shell.kubectl.resources import ALL

from .kubectl_world import made

FILE = Path(__file__).parent.parent / "truth" / "kubectl_pages.txt"
COMMANDS = FILE.with_name("kubectl_commands.txt")


class Said(NamedTuple):
    """One command line and what the real kubectl made of it."""

    command: str
    stdout: str
    stderr: str
    exit_code: int


def recorded() -> tuple[float, list[Said]]:
    """The second of the logical clock, and everything that was recorded."""
    first, *parts = FILE.read_text().split("\n$ kubectl ")
    return float(first.split()[-1]), [_read(part) for part in parts]


def _read(part: str) -> Said:
    command, _, rest = part.partition("\n")
    exit_line, _, rest = rest.partition("\n")
    lines = rest.split("\n")
    out = "\n".join(line[2:] for line in lines if line.startswith("| "))
    err = "\n".join(line[2:] for line in lines if line.startswith("! "))
    return Said(command, out, err, int(exit_line.split()[-1]))


def _write(said: Said) -> str:
    """Each line marked by where it was printed; the text after the last line break counts as a line too."""
    out = "\n".join("| " + line for line in said.stdout.split("\n")) if said.stdout else ""
    err = "\n".join("! " + line for line in said.stderr.split("\n")) if said.stderr else ""
    return "\n".join(filter(None, (f"$ kubectl {said.command}", f"exit {said.exit_code}", out, err)))


def record() -> None:
    clock = (datetime.datetime.now(datetime.UTC) - EPOCH).total_seconds()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made(clock)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config"
        config.write_text(json.dumps(_kubeconfig(server.server_port)))
        env = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": str(config)}
        lines = [line for line in COMMANDS.read_text().splitlines() if line and not line.startswith("#")]
        texts = [_write(_ask(line, env)) for line in lines]
    FILE.write_text("\n".join([f"# kubectl 1.32.4, recorded at second {clock:.0f}", *texts]) + "\n")
    server.shutdown()


def _ask(line: str, env: dict[str, str]) -> Said:
    done = subprocess.run(["kubectl", *shlex.split(line)], env=env, capture_output=True, text=True, check=False)
    return Said(line, done.stdout, done.stderr, done.returncode)


def _kubeconfig(port: int) -> dict[str, Any]:
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user: dict[str, Any] = {"name": "u", "user": {}}
    head = {"apiVersion": "v1", "kind": "Config", "current-context": "c"}
    return {**head, "clusters": [cluster], "contexts": [context], "users": [user]}


def handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            url = urlparse(self.path)
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            wants_table = "as=Table" in self.headers.get("Accept", "")
            code, body = answer(world, [p for p in url.path.split("/") if p], query, wants_table)
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if "endpoints" in url.path.split("/"):
                self.send_header("Warning", f'299 - "{api.warnings({"kind": "Endpoints"})[0]}"')
            self.end_headers()
            self.wfile.write(text)

    return Handler


def answer(world: World, path: list[str], query: dict[str, str], table: bool) -> tuple[int, dict[str, Any]]:
    """What the API server says to a GET."""
    every = list(kinds.every(world))
    if path == ["version"]:
        return 200, {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}
    if path == ["api"]:
        return 200, {"kind": "APIVersions", "versions": ["v1"]}
    if path == ["apis"]:
        groups = {k.group: _group(k) for k in every if k.group}
        return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}
    group = "" if path[0] == "api" else path[1]
    version, rest = (path[1], path[2:]) if path[0] == "api" else (path[2], path[3:])
    of_group = [k for k in every if k.group == group]
    if not rest:
        name = f"{group}/{version}" if group else version
        listed = [_resource(k) for k in of_group]
        return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}
    return _objects(world, of_group, rest, query, table)


def _group(kind: kinds.Kind) -> dict[str, Any]:
    version = {"groupVersion": kind.api_version, "version": kind.version}
    return {"name": kind.group, "versions": [version], "preferredVersion": version}


def _resource(kind: kinds.Kind) -> dict[str, Any]:
    return {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["get", "list", "create", "delete", "patch", "update", "watch"],
        "shortNames": list(kind.short),
        **({"categories": ["all"]} if kind.kind in ALL else {}),
    }


def _objects(
    world: World, of_group: list[kinds.Kind], rest: list[str], query: dict[str, str], table: bool
) -> tuple[int, dict[str, Any]]:
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 2 else ""
    rest = rest[2:] if namespace else rest
    kind = next((k for k in of_group if k.plural == rest[0]), None)
    if kind is None:
        return 404, _status(rest[0], "", "the server could not find the requested resource")
    rows = api.shown(world, kind)
    if len(rest) > 1:
        found = rows.get(kind.key(rest[1], namespace)[2])
        if found is None:
            return 404, _status(kind.plural, rest[1], f'{kind.resource} "{rest[1]}" not found')
        return 200, _table(world, kind, [found]) if table else found
    objects = list(_chosen(rows, namespace, query))
    if table:
        return 200, _table(world, kind, objects)
    items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in objects]
    if kind.table != kind.plural:
        items = objects
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version}
    return 200, {**head, "metadata": {"resourceVersion": str(world.revision)}, "items": items}


def _chosen(rows: Mapping[Any, Any], namespace: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    terms = selectors.parse(query["labelSelector"]) if query.get("labelSelector") else ()
    fields = [f.partition("=") for f in query.get("fieldSelector", "").split(",") if f]
    for name in sorted(rows, key=str):
        obj = rows[name]
        if (
            str(name).startswith(f"{namespace}/" if namespace else "")
            and all(selectors.holds(t, selectors.labels(obj)) for t in terms)
            and all((_at(obj, path.rstrip("!")) == value) is not path.endswith("!") for path, _, value in fields)
        ):
            yield obj


def _at(obj: Any, path: str) -> str:
    for field in path.split("."):
        obj = (obj or {}).get(field)
    return str(obj or "")


def _status(plural: str, name: str, message: str) -> dict[str, Any]:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound"}
    return {**head, "code": 404, "details": {"name": name, "kind": plural}, "message": message}


def _table(world: World, kind: kinds.Kind, objects: list[dict[str, Any]]) -> dict[str, Any]:
    shown = columns.of(world, kind)
    heads = [
        {
            "name": c.header.title(),
            "type": "string",
            "format": "name" if c.header == "NAME" else "",
            "priority": int(c.wide),
        }
        for c in shown
    ]
    rows = [
        {
            "cells": [c.value(world, o) for c in shown],
            "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]},
        }
        for o in objects
    ]
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": str(world.revision)}}
    return {**head, "columnDefinitions": heads, "rows": rows}


if __name__ == "__main__":
    record()

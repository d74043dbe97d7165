"""``kubectl create ingress NAME --rule="host/path=service:port[,tls[=secret]]"``.

A path that ends in ``*`` is a Prefix, any other is Exact; rules of the same host are gathered under it
(kubectl/pkg/cmd/create/create_ingress.go).

Left out: nothing that the command has.
"""

from __future__ import annotations

import re
from typing import Any

from k8slearn.shell.kubectl.command import Flag, Request, fail

Obj = dict[str, Any]
FLAGS: dict[str, Flag] = {
    "rule": Flag(many=True),
    "class": Flag(),
    "default-backend": Flag(),
    "annotation": Flag(many=True),
}
RULE = re.compile(
    r"^(?P<host>[\w*\-.]*)(?P<path>/.*)=(?P<svcname>[\w\-]+):(?P<svcport>[\w\-]+)(?P<tls>,tls(?:=(?P<secret>[\w\-]*))?)?$"
)
BACKEND = re.compile(r"^(?P<svcname>[\w\-]+):(?P<svcport>[\w\-]+)$")
NOTHING = (
    "error: not enough information provided: every ingress has to either specify a default-backend (which catches all "
    "traffic) or a list of rules (which catch specific paths)"
)


def made(request: Request, kind: str, name: str) -> Obj:
    """The Ingress that the flags ask for."""
    flags = request.flags
    if not flags["rule"] and not flags["default-backend"]:
        fail(NOTHING)
    spec: Obj = {"ingressClassName": flags["class"]} if flags["class"] else {}
    if flags["default-backend"]:
        found = BACKEND.fullmatch(flags["default-backend"])
        spec["defaultBackend"] = _backend(
            found or fail("error: default-backend should be in format servicename:serviceport")
        )
    rules: dict[str, list[Obj]] = {}
    tls: dict[str, list[str]] = {}
    for text in flags["rule"]:
        said = RULE.fullmatch(text)
        if said is None:
            fail(f"error: rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]")
        rules.setdefault(said["host"], []).append(_path(said))
        if said["tls"]:
            tls.setdefault(said["secret"] or "", []).append(said["host"])
    spec |= {"rules": [_rule(host, paths) for host, paths in rules.items()]} if rules else {}
    spec |= {"tls": [_tls(secret, hosts) for secret, hosts in tls.items()]} if tls else {}
    metadata: Obj = {"creationTimestamp": None, "name": name, **_annotations(flags["annotation"])}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def _annotations(texts: list[str]) -> Obj:
    pairs = dict(text.partition("=")[::2] for text in texts)
    return {"annotations": pairs} if pairs else {}


def _rule(host: str, paths: list[Obj]) -> Obj:
    return {**({"host": host} if host else {}), "http": {"paths": paths}}


def _tls(secret: str, hosts: list[str]) -> Obj:
    named = [host for host in dict.fromkeys(hosts) if host]
    return {**({"hosts": named} if named else {}), **({"secretName": secret} if secret else {})}


def _path(said: re.Match[str]) -> Obj:
    path = said["path"]
    kind = "Prefix" if path.endswith("*") else "Exact"
    return {"backend": _backend(said), "path": path.removesuffix("*"), "pathType": kind}


def _backend(said: re.Match[str]) -> Obj:
    port: Obj = {"number": int(said["svcport"])} if said["svcport"].isdecimal() else {"name": said["svcport"]}
    return {"service": {"name": said["svcname"], "port": port}}

"""The pages of what has little to do with the network: namespaces, ConfigMaps, Secrets, ServiceAccounts, claims.

Left out: resource quotas and limit ranges on a namespace's page.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import words

Obj = dict[str, Any]


def namespace(request: Request, obj: Obj) -> Iterator[str]:
    yield from words.heading(obj, namespace=False)
    yield f"Status:\t{(obj.get('status') or {}).get('phase', '')}"
    yield ""
    yield "No resource quota."
    yield ""
    yield "No LimitRange resource."


def configmap(request: Request, obj: Obj) -> Iterator[str]:
    yield from words.heading(obj)
    yield from ("", "Data", "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        yield f"{key}:"
        yield "----"
        yield from value.split("\n")
        yield ""
    yield from ("", "BinaryData", "====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        yield f"{key}: {len(base64.b64decode(value))} bytes"
    yield ""
    yield from words.events(request, obj)


def secret(request: Request, obj: Obj) -> Iterator[str]:
    yield from words.heading(obj)
    yield ""
    yield f"Type:\t{obj.get('type', '')}"
    yield from ("", "Data", "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        yield f"{key}:\t{len(base64.b64decode(value))} bytes"


def service_account(request: Request, obj: Obj) -> Iterator[str]:
    yield from words.heading(obj)
    for title, field in (("Image pull secrets", "imagePullSecrets"), ("Mountable secrets", "secrets")):
        names = [s["name"] for s in obj.get(field) or ()] or ["<none>"]
        yield f"{title}:\t{names[0]}"
        for name in names[1:]:
            yield f"\t{name}"
    yield "Tokens:\t<none>"
    yield from words.events(request, obj)


def claim(request: Request, obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    yield f"StorageClass:\t{spec.get('storageClassName', '')}"
    yield f"Status:\t{status.get('phase', '')}"
    yield f"Volume:\t{spec.get('volumeName', '')}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    yield f"Finalizers:\t[{' '.join(obj['metadata'].get('finalizers') or ())}]"
    yield f"Capacity:\t{(status.get('capacity') or {}).get('storage', '')}"
    yield f"Access Modes:\t{','.join(status.get('accessModes') or ())}"
    yield f"VolumeMode:\t{spec.get('volumeMode', '')}"
    users = [
        p["metadata"]["name"]
        for key, p in sorted(request.world.table("api", "pods").items(), key=lambda row: str(row[0]))
        if p["metadata"]["namespace"] == obj["metadata"]["namespace"] and _uses(p, obj["metadata"]["name"])
    ]
    yield f"Used By:\t{(users or ['<none>'])[0]}"
    for name in users[1:]:
        yield f"\t{name}"
    yield from words.events(request, obj)


def _uses(pod: Obj, name: str) -> bool:
    claims = [v.get("persistentVolumeClaim") or {} for v in pod["spec"].get("volumes") or ()]
    return any(c.get("claimName") == name for c in claims)

"""The middle of a Pod's page, which is also the middle of every page with a pod template: containers and volumes.

Left out: volumes of storage systems (their name stands there, and their type).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from k8slearn.shell.kubectl import ages
from k8slearn.shell.kubectl.describe.words import indented, yes

Obj = dict[str, Any]
Resolve = Callable[[str], str]
"""What a field of the pod is, for ``fieldRef``; in a template nobody knows."""


def section(
    title: str, containers: Sequence[Obj], statuses: Sequence[Obj], resolve: Resolve, space: str = ""
) -> Iterator[str]:
    """All containers of one sort; `space` is what a template is indented by."""
    found = {s["name"]: s for s in statuses}
    yield f"{space}{title}:" + ("" if containers else " <none>")
    for container in containers:
        yield f"  {' ' if space else ''}{container['name']}:"
        yield from indented(2, _container(container, found.get(container["name"]), resolve))


def _container(container: Obj, status: Obj | None, resolve: Resolve) -> Iterator[str]:
    if status is not None:
        yield f"Container ID:\t{status.get('containerID', '')}"
    yield f"Image:\t{container.get('image', '')}"
    if status is not None:
        yield f"Image ID:\t{status.get('imageID', '')}"
    yield from _ports(container)
    for field in ("command", "args"):
        if container.get(field):
            yield f"{field.capitalize()}:"
            yield from indented(1, (line for word in container[field] for line in word.split("\n")))
    if status is not None:
        yield from _states(status)
    yield from _resources(container.get("resources") or {})
    for name in ("liveness", "readiness", "startup"):
        if f"{name}Probe" in container:
            yield f"{name.capitalize()}:\t{probe(container[name + 'Probe'])}"
    yield from _environment(container, resolve)
    yield from _mounts(container)


def _ports(container: Obj) -> Iterator[str]:
    ports = container.get("ports") or []
    plural = "s" if len(ports) > 1 else ""
    inner = ", ".join(f"{p['containerPort']}/{p['protocol']}" for p in ports)
    host = ", ".join(f"{p.get('hostPort', 0)}/{p['protocol']}" for p in ports)
    yield f"Port{plural}:\t{inner or '<none>'}"
    yield f"Host Port{plural}:\t{host or '<none>'}"


def _states(status: Obj) -> Iterator[str]:
    yield from _state("State", status.get("state") or {})
    if "terminated" in (status.get("lastState") or {}):
        yield from _state("Last State", status["lastState"])
    yield f"Ready:\t{'True' if status.get('ready') else 'False'}"
    yield f"Restart Count:\t{status.get('restartCount', 0)}"


def _state(title: str, state: Obj) -> Iterator[str]:
    if "running" in state:
        yield f"{title}:\tRunning"
        yield f"  Started:\t{ages.rfc1123(state['running'].get('startedAt'))}"
        return
    ended = state.get("terminated")
    yield f"{title}:\t{'Waiting' if ended is None else 'Terminated'}"
    inner = ended if ended is not None else state.get("waiting") or {}
    if inner.get("reason"):
        yield f"  Reason:\t{inner['reason']}"
    if ended is None:
        return
    if ended.get("message"):
        yield f"  Message:\t{ended['message']}"
    yield f"  Exit Code:\t{ended.get('exitCode', 0)}"
    if ended.get("signal"):
        yield f"  Signal:\t{ended['signal']}"
    yield f"  Started:\t{ages.rfc1123(ended.get('startedAt'))}"
    yield f"  Finished:\t{ages.rfc1123(ended.get('finishedAt'))}"


def _resources(resources: Obj) -> Iterator[str]:
    for field in ("limits", "requests"):
        if resources.get(field):
            yield f"{field.capitalize()}:"
            for name, amount in sorted(resources[field].items()):
                yield f"  {name}:\t{amount}"


def probe(wanted: Obj) -> str:
    """``http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3``."""
    numbers = (
        f"delay={wanted.get('initialDelaySeconds', 0)}s timeout={wanted.get('timeoutSeconds', 1)}s "
        f"period={wanted.get('periodSeconds', 10)}s #success={wanted.get('successThreshold', 1)} "
        f"#failure={wanted.get('failureThreshold', 3)}"
    )
    if "exec" in wanted:
        return f"exec [{' '.join(wanted['exec'].get('command') or ())}] {numbers}"
    if "httpGet" in wanted:
        get = wanted["httpGet"]
        path = get.get("path", "")
        url = f"{get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get.get('port', '')}"
        return f"http-get {url}{path if path.startswith('/') else '/' + path} {numbers}"
    if "tcpSocket" in wanted:
        return f"tcp-socket {wanted['tcpSocket'].get('host', '')}:{wanted['tcpSocket'].get('port', '')} {numbers}"
    if "grpc" in wanted:
        return f"grpc <pod>:{wanted['grpc'].get('port', 0)} {wanted['grpc'].get('service', '')} {numbers}"
    return f"unknown {numbers}"


def _environment(container: Obj, resolve: Resolve) -> Iterator[str]:
    if container.get("envFrom"):
        yield "Environment Variables from:"
        for source in container["envFrom"]:
            kind = "ConfigMap" if "configMapRef" in source else "Secret"
            reference = source.get("configMapRef") or source.get("secretRef") or {}
            prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
            yield f"  {reference.get('name', '')}\t{kind}{prefix}\tOptional: {yes(reference.get('optional'))}"
    variables = container.get("env") or []
    yield "Environment:" + ("" if variables else "\t<none>")
    for variable in variables:
        yield from indented(1, _variable(variable, resolve))


def _variable(variable: Obj, resolve: Resolve) -> Iterator[str]:
    name, source = variable["name"], variable.get("valueFrom")
    if source is None:
        lines = str(variable.get("value", "")).split("\n")
        yield f"{name}:\t{lines[0]}"
        for line in lines[1:]:
            yield f"\t{line}"
    elif "fieldRef" in source:
        field = source["fieldRef"]
        yield f"{name}:\t{resolve(field['fieldPath'])} ({field.get('apiVersion', 'v1')}:{field['fieldPath']})"
    elif "resourceFieldRef" in source:
        yield f"{name}:\t0 ({source['resourceFieldRef'].get('resource', '')})"
    else:
        kind, where = (
            ("configMapKeyRef", "of config map") if "configMapKeyRef" in source else ("secretKeyRef", "in secret")
        )
        key = source.get(kind) or {}
        optional = yes(key.get("optional"))
        yield f"{name}:\t<set to the key '{key.get('key')}' {where} '{key.get('name')}'>\tOptional: {optional}"


def _mounts(container: Obj) -> Iterator[str]:
    mounts = sorted(container.get("volumeMounts") or (), key=lambda m: str(m["mountPath"]))
    yield "Mounts:" + ("" if mounts else "\t<none>")
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        flags += [f'path="{mount["subPath"]}"'] if mount.get("subPath") else []
        yield f"  {mount['mountPath']} from {mount['name']} ({','.join(flags)})"


def volumes(found: Sequence[Obj], space: str = "") -> Iterator[str]:
    """The pod's volumes."""
    yield f"{space}Volumes:" + ("" if found else "\t<none>")
    for volume in found:
        yield f"  {' ' if space else ''}{volume['name']}:"
        kind = next((k for k in volume if k in _VOLUMES), "")
        if kind:
            yield from indented(2, _VOLUMES[kind](volume[kind]))
        else:
            yield "  <unknown>"


def _host_path(v: Obj) -> Iterator[str]:
    yield "Type:\tHostPath (bare host directory volume)"
    yield f"Path:\t{v.get('path', '')}"
    yield f"HostPathType:\t{v.get('type', '')}"


def _empty_dir(v: Obj) -> Iterator[str]:
    yield "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)"
    yield f"Medium:\t{v.get('medium', '')}"
    yield f"SizeLimit:\t{v.get('sizeLimit', '<unset>')}"


def _secret(v: Obj) -> Iterator[str]:
    yield "Type:\tSecret (a volume populated by a Secret)"
    yield f"SecretName:\t{v.get('secretName', '')}"
    yield f"Optional:\t{yes(v.get('optional'))}"


def _config_map(v: Obj) -> Iterator[str]:
    yield "Type:\tConfigMap (a volume populated by a ConfigMap)"
    yield f"Name:\t{v.get('name', '')}"
    yield f"Optional:\t{yes(v.get('optional'))}"


def _claim(v: Obj) -> Iterator[str]:
    yield "Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"
    yield f"ClaimName:\t{v.get('claimName', '')}"
    yield f"ReadOnly:\t{yes(v.get('readOnly'))}"


def _downward(v: Obj) -> Iterator[str]:
    yield "Type:\tDownwardAPI (a volume populated by information about the pod)"
    yield "Items:"
    for item in v.get("items") or ():
        yield f"  {(item.get('fieldRef') or {}).get('fieldPath', '')} -> {item.get('path', '')}"


def _projected(v: Obj) -> Iterator[str]:
    yield "Type:\tProjected (a volume that contains injected data from multiple sources)"
    for source in v.get("sources") or ():
        if "serviceAccountToken" in source:
            yield f"TokenExpirationSeconds:\t{source['serviceAccountToken'].get('expirationSeconds', 3600)}"
        elif "configMap" in source:
            yield f"ConfigMapName:\t{source['configMap'].get('name', '')}"
            yield f"ConfigMapOptional:\t{_pointer(source['configMap'].get('optional'))}"
        elif "secret" in source:
            yield f"SecretName:\t{source['secret'].get('name', '')}"
            yield f"SecretOptionalName:\t{_pointer(source['secret'].get('optional'))}"
        elif "downwardAPI" in source:
            yield "DownwardAPI:\ttrue"


def _pointer(value: bool | None) -> str:
    return "<nil>" if value is None else yes(value)


_VOLUMES: Mapping[str, Callable[[Obj], Iterator[str]]] = {
    "hostPath": _host_path,
    "emptyDir": _empty_dir,
    "secret": _secret,
    "configMap": _config_map,
    "persistentVolumeClaim": _claim,
    "downwardAPI": _downward,
    "projected": _projected,
}


def tolerations(found: Sequence[Obj], space: str = "") -> Iterator[str]:
    first = f"{space}Tolerations:\t"
    for text in map(toleration, found):
        yield first + text
        first = f"{space}\t"
    if not found:
        yield first + "<none>"


def toleration(t: Obj) -> str:
    """``node.kubernetes.io/not-ready:NoExecute op=Exists for 300s``."""
    text: str = (
        t.get("key", "") + (f"={t['value']}" if t.get("value") else "") + (f":{t['effect']}" if t.get("effect") else "")
    )
    if t.get("operator") == "Exists" and not t.get("value"):
        text += " op=Exists" if text else "op=Exists"
    return text + (f" for {t['tolerationSeconds']}s" if t.get("tolerationSeconds") is not None else "")

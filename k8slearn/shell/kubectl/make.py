"""``kubectl run``, ``expose`` and ``create TYPE NAME``: an object from a command line instead of from YAML.

With ``--dry-run=client -o yaml`` they print the manifest that they would send: the quickest way to a first draft.

Left out: ``run -it`` without ``--rm``, or on a node (a pod starts only when the command has ended: `attached` does it
in three commands), roles, quotas, secrets other than generic ones.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from k8slearn.shell.kubectl import ingresses
from k8slearn.shell.kubectl.change import MAKING, create, create_files, patched
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, switch, usage
from k8slearn.shell.kubectl.resources import one

Obj = dict[str, Any]

RUN_FLAGS: dict[str, Flag] = {
    **MAKING,
    "image": Flag(),
    "port": Flag(),
    "labels": Flag("l"),
    "env": Flag(many=True),
    "restart": Flag(default="Always"),
    "command": switch(),
    "rm": switch(),
    "stdin": switch("i"),
    "tty": switch("t"),
    "attach": switch(),
    "expose": switch(),
    "quiet": switch("q", idle="nothing else is printed"),
    "image-pull-policy": Flag(),
    "overrides": Flag(),
    "override-type": Flag(default="merge"),
    "annotations": Flag(many=True),
}


def run(request: Request) -> Doing:
    """``kubectl run NAME --image=IMAGE [-- ARGS]``."""
    flags = request.flags
    if not flags["image"]:
        fail('error: required flag(s) "image" not set')
    if not request.words:
        usage("NAME is required for run", "run")
    name = request.words[0]
    if flags["rm"] or flags["attach"] or ((flags["stdin"] or flags["tty"]) and "attach" not in request.given):
        fail(
            "error: kubectl run with -i, -t, --attach or --rm is not modelled: a pod starts when the command that made "
            f"it has ended. Run `kubectl run {name} --image={flags['image']}`, then `kubectl exec {name} -- COMMAND`"
        )
    pod = _pod(request, name, [*request.words[1:], *request.after])
    items = [patched(pod, flags["overrides"], flags["override-type"]) if flags["overrides"] else pod]
    if flags["expose"]:
        if not flags["port"]:
            fail("error: --port must be set when exposing a service")
        ports = [{"port": _port(flags["port"]), "protocol": "TCP", "targetPort": _port(flags["port"])}]
        items.append(_service(name, {}, {"ports": ports, "selector": {"run": name}}))
    return (yield from create(request, items))


def _pod(request: Request, name: str, words: list[str]) -> Obj:
    flags = request.flags
    container: Obj = {"image": flags["image"], "name": name, "resources": {}}
    if words:
        container["command" if flags["command"] else "args"] = words
    if flags["stdin"]:
        container |= {"stdin": True, "stdinOnce": True}
    if flags["tty"]:
        container["tty"] = True
    if flags["port"]:
        container["ports"] = [{"containerPort": _port(flags["port"])}]
    if flags["env"]:
        container["env"] = [dict(zip(("name", "value"), _pair(e, "env"), strict=True)) for e in flags["env"]]
    if flags["image-pull-policy"]:
        container["imagePullPolicy"] = flags["image-pull-policy"]
    labels = dict(_pair(p, "labels") for p in flags["labels"].split(",")) if flags["labels"] else {"run": name}
    if flags["restart"] not in ("Always", "OnFailure", "Never"):
        fail(f"error: invalid restart policy: {flags['restart']}")
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": flags["restart"]}
    notes = {"annotations": dict(_pair(p, "annotations") for p in flags["annotations"])} if flags["annotations"] else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**notes, "creationTimestamp": None, "labels": labels, "name": name},
        "spec": spec,
        "status": {},
    }


def _pair(text: str, what: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        fail(f"error: invalid {what}: {text}" if what == "env" else f"error: unexpected label spec: {text}")
    return key, value


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:9]) < 65536:
        fail(f'error: invalid argument "{text}" for "--port" flag: a port is a number from 1 to 65535')
    return int(text)


EXPOSE_FLAGS: dict[str, Flag] = {
    **MAKING,
    "port": Flag(),
    "target-port": Flag(),
    "protocol": Flag(),
    "name": Flag(),
    "type": Flag(),
    "selector": Flag(),
    "labels": Flag("l"),
    "cluster-ip": Flag(),
    "external-ip": Flag(),
    "load-balancer-ip": Flag(),
    "session-affinity": Flag(),
}
_EXPOSED = {"Pod", "Service", "Deployment", "ReplicaSet", "ReplicationController"}


def expose(request: Request) -> Doing:
    """``kubectl expose TYPE NAME --port=PORT``: a Service in front of what is there."""
    flags = request.flags
    kind, obj = one(request, request.words)
    if kind.kind not in _EXPOSED:
        fail(f"error: cannot expose a {kind.kind}.{kind.group or 'v1'}")
    spec: Obj = {"ports": _exposed_ports(request, obj), "selector": _selector(request, obj)}
    for field, flag in (("type", "type"), ("clusterIP", "cluster-ip"), ("sessionAffinity", "session-affinity")):
        if flags[flag]:
            spec[field] = flags[flag]
    if flags["external-ip"]:
        spec["externalIPs"] = [flags["external-ip"]]
    if flags["load-balancer-ip"]:
        spec["loadBalancerIP"] = flags["load-balancer-ip"]
    labels = dict(_pair(p, "labels") for p in flags["labels"].split(",")) if flags["labels"] else None
    labels = labels if labels is not None else obj["metadata"].get("labels") or {}
    service = _service(flags["name"] or obj["metadata"]["name"], labels, spec)
    if flags["dry-run"] == "client" and flags["output"]:
        return (yield from create(request, [service]))
    result = yield from create(request, [service])
    return result._replace(stdout=result.stdout.replace(" created", " exposed"))


def _service(name: str, labels: Obj, spec: Obj) -> Obj:
    metadata = {"creationTimestamp": None, **({"labels": dict(labels)} if labels else {}), "name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}}


def _selector(request: Request, obj: Obj) -> Obj:
    cannot = "error: couldn't retrieve selectors via --selector flag or introspection: "
    if request.flags["selector"]:
        return dict(_pair(p, "selector") for p in request.flags["selector"].split(","))
    if obj["kind"] == "Pod":
        labels = obj["metadata"].get("labels")
        return dict(labels) if labels else fail(cannot + "the pod has no labels and cannot be exposed")
    selector = obj["spec"].get("selector") or {}
    if obj["kind"] in ("Service", "ReplicationController"):
        return dict(selector) if selector else fail(cannot + "the service has no pod selector set")
    if selector.get("matchExpressions"):
        terms = " ".join(
            f"{{Key:{e['key']} Operator:{e['operator']} Values:[{' '.join(e.get('values') or ())}]}}"
            for e in selector["matchExpressions"]
        )
        fail(f'{cannot}couldn\'t convert expressions - "[{terms}]" to map-based selector format')
    return dict(selector.get("matchLabels") or {})


def _exposed_ports(request: Request, obj: Obj) -> list[Obj]:
    flags = request.flags
    protocol = flags["protocol"] or "TCP"
    if flags["port"]:
        numbers = [_port(p) for p in flags["port"].split(",")]
        target = flags["target-port"]
        wanted: Any = int(target) if target.isdecimal() else target
        ports = [{"port": n, "protocol": protocol, "targetPort": wanted or n} for n in numbers]
    else:
        found = _declared(obj)
        if not found:
            fail("error: couldn't find port via --port flag or introspection")
        target = flags["target-port"]
        goal: Any = int(target) if target.isdecimal() else target
        ports = [{"port": n, "protocol": flags["protocol"] or p, "targetPort": goal or n} for n, p in found]
    if len(ports) > 1:
        return [{"name": f"port-{i}", **p} for i, p in enumerate(ports, 1)]
    return ports


def _declared(obj: Obj) -> list[tuple[int, str]]:
    if obj["kind"] == "Service":
        return [(p["port"], p["protocol"]) for p in obj["spec"].get("ports") or ()]
    spec = obj["spec"] if obj["kind"] == "Pod" else obj["spec"]["template"]["spec"]
    return [(p["containerPort"], p["protocol"]) for c in spec["containers"] for p in c.get("ports") or ()]


CREATE_FLAGS: dict[str, Flag] = {
    **MAKING,
    "image": Flag(many=True),
    "replicas": Flag(),
    "port": Flag(),
    "from-literal": Flag(many=True),
    "from-file": Flag(many=True),
    "tcp": Flag(many=True),
    "node-port": Flag(),
    "clusterip": Flag(),
    "external-name": Flag(),
    "type": Flag(),
    "restart": Flag(),
    **ingresses.FLAGS,
}


def make(request: Request) -> Doing:
    """``kubectl create -f FILE`` or ``kubectl create TYPE NAME``."""
    if request.flags["filename"] or not request.words:
        return (yield from create_files(request))
    word = _SHORT.get(request.words[0], request.words[0])
    if word not in _MAKERS:
        fail(f"error: Unexpected args: [{' '.join(request.words)}]\nSee 'kubectl create -h' for help and examples")
    words = list(request.words[1:])
    kind = f"{word} {words.pop(0)}" if word in ("service", "secret") and words else word
    if len(words) != 1:
        usage(f"exactly one NAME is required, got {len(words)}", f"create {kind}")
    return (yield from create(request, [_MAKERS[word](request, kind, words[0])]))


def _object(api_version: str, kind: str, name: str, **rest: Any) -> Obj:
    metadata = {"creationTimestamp": None, "name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _deployment(request: Request, kind: str, name: str) -> Obj:
    flags = request.flags
    if not flags["image"]:
        fail('error: required flag(s) "image" not set')
    containers = [{"image": i, "name": _container_name(i), "resources": {}} for i in flags["image"]]
    if flags["port"]:
        containers[0]["ports"] = [{"containerPort": _port(flags["port"])}]
    if request.after:
        containers[0]["command"] = list(request.after)
    if flags["replicas"] and not flags["replicas"].isdecimal():
        fail(f"error: --replicas is a number, not {flags['replicas']!r}")
    labels = {"app": name}
    obj = _object("apps/v1", "Deployment", name)
    obj["metadata"]["labels"] = labels
    template = {"metadata": {"creationTimestamp": None, "labels": labels}, "spec": {"containers": containers}}
    replicas = int(flags["replicas"] or 1)
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "strategy": {}, "template": template}
    return {**obj, "spec": spec, "status": {}}


def _container_name(image: str) -> str:
    """``nginx`` out of ``registry/x/nginx:1.29``."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0].replace("_", "-").lower()


def _namespace(request: Request, kind: str, name: str) -> Obj:
    return _object("v1", "Namespace", name, spec={}, status={})


def _account(request: Request, kind: str, name: str) -> Obj:
    return _object("v1", "ServiceAccount", name)


def _literals(request: Request) -> dict[str, str]:
    if request.flags["from-file"]:
        fail("error: --from-file is not modelled: use --from-literal=KEY=VALUE, or apply a manifest")
    found = {}
    for text in request.flags["from-literal"]:
        key, equals, value = text.partition("=")
        if not equals or not key:
            fail(f"error: invalid literal source {text}, expected key=value")
        found[key] = value.strip("'\"") if value[:1] == value[-1:] and value[:1] in "'\"" else value
    return found


def _configmap(request: Request, kind: str, name: str) -> Obj:
    literals = _literals(request)
    return _object("v1", "ConfigMap", name, **({"data": literals} if literals else {}))


def _secret(request: Request, kind: str, name: str) -> Obj:
    if kind != "secret generic":
        fail(f"error: kubectl create {kind} is not modelled: use kubectl create secret generic, or apply a manifest")
    data = {k: base64.b64encode(v.encode()).decode() for k, v in _literals(request).items()}
    return _object("v1", "Secret", name, **({"data": data} if data else {}))


_TYPES = {
    "clusterip": "ClusterIP",
    "nodeport": "NodePort",
    "loadbalancer": "LoadBalancer",
    "externalname": "ExternalName",
}


def _made_service(request: Request, kind: str, name: str) -> Obj:
    word = kind.partition(" ")[2]
    flags = request.flags
    if word not in _TYPES:
        fail(f"error: a Service is one of {', '.join(_TYPES)}: kubectl create service TYPE NAME")
    spec: Obj = {"selector": {"app": name}, "type": _TYPES[word]}
    ports = [_tcp(text) for flag in flags["tcp"] for text in flag.split(",")]
    if not ports and word != "externalname" and flags["clusterip"] != "None":
        fail("error: at least one tcp port specifier must be provided")
    if ports:
        spec["ports"] = ports
    if flags["node-port"] and ports:
        ports[0]["nodePort"] = _port(flags["node-port"])
    if flags["clusterip"]:
        spec["clusterIP"] = flags["clusterip"]
    if word == "externalname":
        spec["externalName"] = flags["external-name"] or fail('error: required flag(s) "external-name" not set')
    return _service(name, {"app": name}, spec)


def _tcp(text: str) -> Obj:
    port, colon, target = text.partition(":")
    goal: Any = (_port(target) if target.isdecimal() else target) if colon else _port(port)
    return {"name": text.replace(":", "-"), "port": _port(port), "protocol": "TCP", "targetPort": goal}


def _job(request: Request, kind: str, name: str) -> Obj:
    if not request.flags["image"]:
        fail('error: required flag(s) "image" not set')
    container = {"image": request.flags["image"][0], "name": name, "resources": {}}
    if request.after:
        container["command"] = list(request.after)
    template = {"metadata": {"creationTimestamp": None}, "spec": {"containers": [container], "restartPolicy": "Never"}}
    return _object("batch/v1", "Job", name, spec={"template": template}, status={})


_SHORT = {
    "ing": "ingress",
    "deploy": "deployment",
    "ns": "namespace",
    "cm": "configmap",
    "svc": "service",
    "sa": "serviceaccount",
}
_MAKERS: dict[str, Callable[[Request, str, str], Obj]] = {
    "deployment": _deployment,
    "namespace": _namespace,
    "configmap": _configmap,
    "secret": _secret,
    "service": _made_service,
    "serviceaccount": _account,
    "job": _job,
    "ingress": ingresses.made,
}
COMMANDS: dict[str, Kubectl] = {
    "run": Kubectl(run, RUN_FLAGS, dashes=True),
    "expose": Kubectl(expose, EXPOSE_FLAGS),
    "create": Kubectl(make, CREATE_FLAGS, dashes=True),
}

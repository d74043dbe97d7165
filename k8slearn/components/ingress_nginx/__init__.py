"""ingress-nginx: a pod with nginx in it, and a controller that writes nginx's configuration out of Ingresses.

An Ingress is only text: "requests for shop.example and paths below /cart go to Service cart". Somebody has to carry the
requests, and that is a pod of this controller. A client's connection ends there (it comes through a node port or a
load balancer, like any Service's), and nginx opens a second one to an endpoint of the backend, past the Service's
address. So the backend sees the controller's pod as its client, NetworkPolicies have to allow *that* pod, and a
controller without a pod that runs serves nobody, however many Ingresses there are.

Whose Ingress it is ``spec.ingressClassName`` says: it names an IngressClass, and that names a controller
(``k8s.io/ingress-nginx``). The old annotation ``kubernetes.io/ingress.class`` (deprecated since Kubernetes 1.18) is
understood where the field is missing. The controller writes its nodes' addresses (or those of the Service that
``--publish-service`` names) into the status of each of its Ingresses.

The project was retired in March 2026: no releases and no fixes since; its text says "use the Gateway API".

`routing.py` makes the configuration, `linux/proxy.py` is nginx (kubernetes/ingress-nginx
internal/ingress/controller/controller.go, internal/ingress/status/status.go).

Left out: the admission webhook, the ConfigMap's settings, canaries and other annotations than those in `routing.py`,
leader election (every controller pod writes the same status), the default backend as a Service, metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.cni import cri
from k8slearn.components.ingress_nginx.routing import frontends, is_ours
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux.frontend import TABLE

Obj = dict[str, Any]
PROGRAM = "nginx-ingress-controller"
PUBLISH = "--publish-service="


class IngressNginx:
    """Keys: nodes, whose nginx is configured, and ``status`` for the Ingresses' own rows."""

    name = "ingress-nginx"

    def watches(self) -> Mapping[str, str]:
        return {
            **{"ingresses": "what is asked for", "ingressclasses": "which are its own", "services": "their ports"},
            **{"endpointslices": "whom nginx sends to", "secrets": "certificates", "nodes": "its own addresses"},
            "container": "its own",
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "container":
            row = world.get(changed)
            gone = row is None and bool(world.table(changed[0], TABLE))
            return (changed[0], "status") if gone or (row is not None and row.program == PROGRAM) else ()
        if not world.table("api", "ingressclasses"):
            return ()
        return (*(f"node:{name}" for name in world.table("api", "nodes")), "status")

    def reconcile(self, world: World, key: str) -> Commands:
        yield from _status(world) if key == "status" else _configured(world, key)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _running(world: World, node: str) -> Iterator[cri.Container]:
    for row in world.table(node, "container").values():
        if row.program == PROGRAM and row.state == cri.RUNNING:
            yield row


def _netns(world: World, node: str, row: cri.Container) -> str:
    return next((box.netns for box in cri.sandboxes(world, node, row.pod) if box.id == row.sandbox), "")


def _configured(world: World, node: str) -> Commands:
    """nginx.conf of every controller pod on a node."""
    for row in list(_running(world, node)):
        netns = _netns(world, node, row)
        pod = world.get(("api", "pods", row.pod))
        ports = {port for proto, _, port in row.sockets if proto == "tcp"}
        for front in frontends(world, _arguments(pod)):
            if netns and front.port in ports and world.get((netns, TABLE, front.port)) != front:
                yield Put((netns, TABLE, front.port), front, ("api", "pods", row.pod))
    if world.table(node, TABLE) and not any(_netns(world, node, row) == node for row in _running(world, node)):
        for port in list(world.table(node, TABLE)):
            yield Remove((node, TABLE, port))


def _arguments(pod: Obj | None) -> tuple[str, ...]:
    containers = pod["spec"]["containers"] if pod is not None else ()
    return tuple(str(word) for container in containers for word in container.get("args") or ())


def _status(world: World) -> Commands:
    """The addresses in ``kubectl get ingress``; an Ingress of nobody keeps what it has."""
    pods = [row.pod for node in world.table("api", "nodes") for row in _running(world, f"node:{node}")]
    if not pods:
        return
    wanted = _addresses(world, sorted(pods))
    for name, ingress in list(world.table("api", "ingresses").items()):
        own = is_ours(world, ingress, _arguments(world.get(("api", "pods", pods[0]))))
        if own:
            said = event(world, ingress, "Sync", "Scheduled for sync", "nginx-ingress-controller")
            if world.get(said.key) is None:
                yield said
        balancer = {"ingress": wanted} if wanted else {}
        if own and ((ingress.get("status") or {}).get("loadBalancer") or {}) != balancer:
            status = {**(ingress.get("status") or {}), "loadBalancer": balancer}
            key = ("api", "ingresses", name)
            yield Put(key, stamped(world, {**ingress, "status": status}), key)


def _addresses(world: World, pods: list[str]) -> list[Obj]:
    """Of the Service that it was told to publish, or else of the nodes on which its pods run."""
    first = world.get(("api", "pods", pods[0]))
    published = next((word.removeprefix(PUBLISH) for word in _arguments(first) if word.startswith(PUBLISH)), "")
    if published:
        own = first["metadata"]["namespace"]
        return _of_service(world, published.replace("$(POD_NAMESPACE)", own))
    names = sorted({world.get(("api", "pods", pod))["spec"]["nodeName"] for pod in pods})
    return [{"ip": address} for name in names for address in _of_node(world, name)]


def _of_service(world: World, name: str) -> list[Obj]:
    service = world.get(("api", "services", name))
    if service is None:
        return []
    spec = service["spec"]
    more = [{"ip": address} for address in spec.get("externalIPs") or ()]
    if spec.get("type") == "LoadBalancer":
        given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        return [{k: v for k, v in one.items() if k in ("ip", "hostname")} for one in given] + more
    return (more if spec.get("type") == "NodePort" else []) or [{"ip": spec["clusterIP"]}]


def _of_node(world: World, name: str) -> list[str]:
    addresses = (world.get(("api", "nodes", name)).get("status") or {}).get("addresses") or ()
    for kind in ("ExternalIP", "InternalIP"):
        found = [a["address"] for a in addresses if a["type"] == kind and ":" not in a["address"]]
        if found:
            return found
    return []

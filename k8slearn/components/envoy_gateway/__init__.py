"""Envoy Gateway: a controller of the Gateway API, which makes an Envoy for every Gateway and tells it the routes.

Three people share the work. Who runs the infrastructure says which controller there is (a **GatewayClass**), who runs
the cluster opens doors (a **Gateway**: ports, protocols, host names, certificates, and whose routes it takes), and who
owns an application says what goes to it (an **HTTPRoute** and its kin). Where an Ingress leaves the rest to
annotations, the Gateway API has fields, and it has a status that says what became of each wish: `attaching.py`.

The controller is one pod, and carries nothing. For each Gateway it makes a Deployment of Envoy with a Service in front
(`infra.py`), and tells Envoy over a connection of its own (xDS) what to do on which port (`routing.py`); that is
what `linux/proxy.py` goes by. It needs the API's definitions: without them a cluster knows no Gateway at all.

Installed as in life: ``kubectl apply -f https://…/envoy-gateway/…/install.yaml``, then a GatewayClass.

Left out: Envoy Gateway's own policies (BackendTrafficPolicy and the like), xDS as packets, UDPRoute, listening on IPv6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8slearn import api
from k8slearn.cni import cri
from k8slearn.components.envoy_gateway import attaching, infra, routing, statuses
from k8slearn.components.envoy_gateway.attaching import full_name, table
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux.frontend import TABLE, Frontend
from k8slearn.linux.rows import Socket

Obj = dict[str, Any]
PROGRAM, PROXY = "envoy-gateway", "envoy"
ALL = "all"
ANY = "0.0.0.0"


class EnvoyGateway:
    """One key: everything at once, as the real one translates all that there is into one configuration."""

    name = "envoy-gateway"

    def watches(self) -> Mapping[str, str]:
        kinds = ("gatewayclasses", "gateways", *attaching.KINDS.values(), "referencegrants")
        return {
            **{table(plural): "what is asked for" for plural in kinds},
            **{"services": "ports and addresses", "endpointslices": "whom Envoy sends to", "secrets": "certificates"},
            **{"namespaces": "whose routes a listener takes", "deployments": "its Envoys", "container": "its own"},
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "container":
            row = world.get(changed)
            return (ALL,) if row is not None and row.program in (PROGRAM, PROXY) else ()
        return (ALL,) if world.table("api", table("gatewayclasses")) else ()

    def reconcile(self, world: World, key: str) -> Commands:
        if not any(cri.runs(world, f"node:{node}", PROGRAM) for node in world.table("api", "nodes")):
            return
        yield from _infrastructure(world)
        found = attaching.attached(world)
        yield from statuses.write(world, found)
        for gateway in attaching.gateways(world):
            fronts = routing.frontends(world, gateway, found)
            for netns, pod in list(_envoys(world, gateway)):
                yield from _told(world, netns, pod, gateway, fronts)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _infrastructure(world: World) -> Commands:
    """Deployment and Service of each Gateway; of one that is gone they go, too."""
    wanted = {infra.name_of(gateway): gateway for gateway in attaching.gateways(world)}
    for plural in ("services", "deployments"):
        for row in list(world.table("api", plural).values()):
            if infra.OWNER in (row["metadata"].get("labels") or {}) and row["metadata"]["name"] not in wanted:
                yield from api.delete(world, plural, row["metadata"]["name"], infra.NAMESPACE)
    for gateway in wanted.values():
        for obj in infra.objects(gateway):
            yield from _made(world, obj, ("api", table("gateways"), full_name(gateway)))


def _made(world: World, obj: Obj, cause: Key) -> Commands:
    live = world.get(api.key(world, obj))
    if live is None:
        yield from api.create(world, obj, cause=cause)
    elif obj["kind"] == "Service" and _ports(live) != _ports(obj):
        kept = {port["name"]: port for port in live["spec"]["ports"]}
        ports = [{**kept.get(port["name"], {}), **port} for port in obj["spec"]["ports"]]
        yield from api.replace(world, {**live, "spec": {**live["spec"], "ports": ports}}, cause=cause)


def _ports(service: Obj) -> list[tuple[str, int]]:
    return [(port["name"], port["port"]) for port in service["spec"]["ports"]]


def _envoys(world: World, gateway: Obj) -> Iterator[tuple[str, str]]:
    """(netns, pod) of each Envoy of a Gateway that runs."""
    wanted = infra.labels(gateway)
    for node in world.table("api", "nodes"):
        for row in world.table(f"node:{node}", "container").values():
            pod = world.get(("api", "pods", row.pod)) if row.program == PROXY and row.state == cri.RUNNING else None
            if pod is not None and wanted.items() <= (pod["metadata"].get("labels") or {}).items():
                boxes = cri.sandboxes(world, f"node:{node}", row.pod)
                yield from ((box.netns, row.pod) for box in boxes if box.id == row.sandbox)


def _told(world: World, netns: str, pod: str, gateway: Obj, fronts: list[Frontend]) -> Commands:
    """Envoy opens the ports that it is told of, and closes the others."""
    cause = ("api", table("gateways"), full_name(gateway))
    wanted = {front.port: front for front in fronts}
    for port in [port for port in world.table(netns, TABLE) if port not in wanted]:
        yield Remove((netns, TABLE, port), cause)
        yield Remove((netns, "socket", ("tcp", ANY, port)), cause)
    for port, front in wanted.items():
        if world.get((netns, TABLE, port)) != front:
            yield Put((netns, TABLE, port), front, cause)
        socket = Socket("tcp", ANY, port, PROXY, pod, pod.partition("/")[2])
        if world.get((netns, "socket", ("tcp", ANY, port))) != socket:
            yield Put((netns, "socket", ("tcp", ANY, port)), socket, cause)

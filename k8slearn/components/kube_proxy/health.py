"""What kube-proxy tells load balancers: ``healthz`` for the node, and a health check node port for each local Service.

A load balancer outside the cluster does not know which nodes may get packets. With ``externalTrafficPolicy: Cluster``
every node whose kube-proxy works may: port 10256 says so, and says 503 for a node that is about to go (KEP-3836). With
``Local`` only nodes with an endpoint of their own may: each such Service has a ``healthCheckNodePort``, where
kube-proxy answers 200 with the number of ready endpoints here, or 503 where there is none
(pkg/proxy/healthcheck/service_health.go). Endpoints that are terminating count no more: new connections go elsewhere,
while those that are open are still served.

At the port for metrics, on the node's loopback only, it says in which mode it works
(``curl localhost:10249/proxyMode``).

Left out: the metrics; a kube-proxy that is up and cannot write its rules (``serviceProxyHealthy: false``).
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.components.kube_proxy.service import Endpoints, Port
from k8slearn.components.kube_proxy.topology import Place
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux.listen import page
from k8slearn.linux.rows import Socket

PROGRAM = "kube-proxy"
HEALTHZ, METRICS = 10256, 10249
LEAVING = "ToBeDeletedByClusterAutoscaler"
"""A node with this taint is about to be deleted."""
STATUS = {True: "200 OK", False: "503 Service Unavailable"}
NOT_FOUND = page("404 Not Found", "404 page not found\n")
LOCAL = """{{
\t"service": {{
\t\t"namespace": "{namespace}",
\t\t"name": "{name}"
\t}},
\t"localEndpoints": {count},
\t"serviceProxyHealthy": true
}}"""


def answer(world: World, place: Place, mode: str, served: dict[str, tuple[Port, ...]], behind: Endpoints) -> Commands:
    """Open the ports that this kube-proxy answers on, and close those that nobody needs any more."""
    scope, cause = f"node:{place.node}", ("api", "nodes", place.node)
    told = {HEALTHZ: _healthz(world, place.node), **dict(_local(place, served, behind))}
    rows = [Socket("tcp", "0.0.0.0", port, PROGRAM, scope, place.node, page=said) for port, said in told.items()]
    pages = (("/proxyMode", mode), ("/healthz", "ok"))
    rows.append(Socket("tcp", "127.0.0.1", METRICS, PROGRAM, scope, place.node, page=NOT_FOUND, pages=pages))
    wanted: dict[Key, Socket] = {(scope, "socket", ("tcp", row.address, row.port)): row for row in rows}
    yield from (Put(key, row, cause) for key, row in wanted.items() if world.get(key) != row)
    for name, row in list(world.table(scope, "socket").items()):
        if row.program == PROGRAM and (scope, "socket", name) not in wanted:
            yield Remove((scope, "socket", name), cause)


def _local(place: Place, served: dict[str, tuple[Port, ...]], behind: Endpoints) -> Iterator[tuple[int, str]]:
    """(health check node port, its page) of every Service that has one."""
    for name, ports in served.items():
        if number := ports[0].health_check_node_port:
            every = (e for port in ports for e in behind.get((name, port.name, port.protocol), ()))
            count = len({e.address for e in every if e.ready and e.node == place.node})
            namespace, _, service = name.partition("/")
            body = LOCAL.format(namespace=namespace, name=service, count=count)
            yield number, page(STATUS[bool(count)], body)


def _healthz(world: World, node: str) -> str:
    found = world.get(("api", "nodes", node)) or {"metadata": {}}
    taints = (found.get("spec") or {}).get("taints") or ()
    stays = not found["metadata"].get("deletionTimestamp") and all(taint.get("key") != LEAVING for taint in taints)
    return page(STATUS[stays], f'{{"nodeEligible": {str(stays).lower()}}}')

"""What the policies' text alone says about a connection that a person asks for.

A person names a pod, a node or a Service; policies are about what remains of that once a Service's address has been
translated. So a Service stands for its ready endpoints, and is allowed when each of them is.

Left out: names (the address that a name has is asked for elsewhere), NodePorts and load balancers' addresses as
Services: they are judged as the addresses that they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn import endpoints
from k8slearn.api.policy import Asked, Party, Verdict, allows, party
from k8slearn.errors import Refused
from k8slearn.journal import World

Obj = dict[str, Any]


def verdicts(world: World, source: str, destination: str, port: int, protocol: str) -> list[tuple[Asked, Verdict]]:
    """What the text says about this connection, for each place where it may end. Raises `Refused` in one sentence."""
    netns = endpoints.resolve_source(world, source)
    address = endpoints.resolve_destination(world, destination, netns)
    if address is None:
        raise Refused(f"{destination} is a name that nobody resolves: no policy is about names")
    sender = party(world, _address_of(world, source, netns))
    asked = [Asked(sender, end, to, protocol) for end, to in _ends(world, address, port, protocol)]
    return [(one, allows(world, one)) for one in asked]


def _address_of(world: World, source: str, netns: str) -> str:
    """The address that a source sends from: a pod's own, or the machine's on the network between machines."""
    pod = world.get(("api", "pods", source)) if ":" not in source else None
    if pod is not None and (pod.get("status") or {}).get("podIP"):
        return str(pod["status"]["podIP"])
    node = world.get(("api", "nodes", netns.removeprefix("node:"))) or {}
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry["type"] == "InternalIP":
            return str(entry["address"])
    return next(str(row.address) for row in world.table(netns, "addr").values() if row.dev != "lo")


def _ends(world: World, address: str, port: int, protocol: str) -> Iterator[tuple[Party, int]]:
    """Where a connection to this address may end, after the translation of a Service."""
    name = next(
        (str(n) for n, s in world.table("api", "services").items() if s["spec"].get("clusterIP") == address), ""
    )
    backends = list(_backends(world, name, port, protocol)) if name else []
    if not backends:
        yield party(world, address), port
    for backend, number in backends:
        yield party(world, backend), number


def _backends(world: World, name: str, port: int, protocol: str) -> Iterator[tuple[str, int]]:
    """The ready endpoints of a Service's port: addresses and the port there.

    Whether the Service has that port for this protocol is not the policies' matter: its number is enough.
    """
    ports = [p for p in world.get(("api", "services", name))["spec"].get("ports") or () if p["port"] == port]
    wanted = sorted(ports, key=lambda p: str(p.get("protocol", "TCP")) != protocol)
    namespace, _, service = name.partition("/")
    for path, piece in world.table("api", "endpointslices").items():
        label = (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        if not wanted or label != service or not str(path).startswith(f"{namespace}/"):
            continue
        numbers = [p["port"] for p in piece.get("ports") or () if p.get("name", "") == wanted[0].get("name", "")]
        for endpoint in piece.get("endpoints") or ():
            if numbers and (endpoint.get("conditions") or {}).get("ready", True):
                yield endpoint["addresses"][0], numbers[0]

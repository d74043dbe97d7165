"""What the kubernetes plugin knows: which Service, endpoint or Pod a name means, read from the API's objects.

::

    [_PORT._PROTOCOL.] SERVICE.NAMESPACE.svc.ZONE     a Service: its cluster IPs, or headless: its ready endpoints
    ENDPOINT.SERVICE.NAMESPACE.svc.ZONE               one endpoint: its hostname, or its address with dashes
    10-244-1-2.NAMESPACE.pod.ZONE                     a Pod, by its address

A name that means nothing does not exist (`Unknown`); one that has something below it exists without records: the
zone, ``svc`` and ``pod`` in it, a namespace.

A real CoreDNS watches the API server and answers from its copy; here it reads the objects as they are.

Left out: that a CoreDNS which is cut off from the API server goes on with an old copy, ``labels`` and
``namespace_labels``, multicluster zones. Source: coredns/coredns plugin/kubernetes (kubernetes.go, parse.go,
reverse.go, ns.go, object/), kubernetes/dns docs/specification.md 1.1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.components.coredns.corefile import Directive
from k8slearn.dns import absolute
from k8slearn.errors import Refused
from k8slearn.journal import Table, World
from k8slearn.linux import ip

Obj = dict[str, Any]
NO_PORT = -1
"""The port of what declares none: it has addresses, and no SRV record."""
SERVICE_NAME = "kubernetes.io/service-name"
SPEC_VERSION = "1.1.0"
DISABLED, INSECURE, VERIFIED = "disabled", "insecure", "verified"
OPTIONS = {"pods", "endpoint_pod_names", "ttl", "fallthrough", "ignore", "noendpoints", "namespaces"}
PASSED_OVER = {"endpoint", "tls", "kubeconfig", "startup_timeout", "apiserver_qps", "apiserver_burst"}
"""Options about the way to the API server: they change no answer here."""


class Unknown(Exception):
    """There is no such name."""


class Found(NamedTuple):
    """One thing that a name means: an address (or another name), its port, and its own full name."""

    host: str
    port: int = NO_PORT
    name: str = ""

    @property
    def is_name(self) -> bool:
        return not ip.is_address(self.host)


class Options(NamedTuple):
    """How the plugin was told to answer."""

    zones: tuple[str, ...]
    pods: str = DISABLED
    endpoint_pod_names: bool = False
    ttl: int = 5
    fallthrough: tuple[str, ...] | None = None
    ignore_empty: bool = False
    endpoints: bool = True
    namespaces: frozenset[str] = frozenset()

    @property
    def primary(self) -> str:
        """The first zone that is not one of addresses."""
        return next((zone for zone in self.zones if not zone.endswith(".arpa.")), ".")


@lru_cache(maxsize=64)
def options(directive: Directive, zones: tuple[str, ...] = (".",)) -> Options:
    """What a directive ``kubernetes`` says. Refused, as CoreDNS does, where it says what the plugin does not know."""
    for line in directive.lines:
        if line[0] not in OPTIONS | PASSED_OVER:
            known = line[0] in ("labels", "namespace_labels", "multicluster")
            said = f"{line[0]} is not modelled here" if known else f"unknown property '{line[0]}'"
            raise Refused(f"plugin/kubernetes: {said}")
    pods = directive.option("pods")
    if pods is not None and pods not in ((DISABLED,), (INSECURE,), (VERIFIED,)):
        raise Refused(
            f"plugin/kubernetes: wrong value for pods: {' '.join(pods)},  must be one of: disabled, verified, insecure"
        )
    ttl, through = directive.option("ttl"), directive.option("fallthrough")
    if ttl is not None and not (len(ttl) == 1 and ttl[0].isdecimal() and int(ttl[0]) <= 3600):
        raise Refused(f"plugin/kubernetes: ttl must be in range [0, 3600]: {' '.join(ttl)}")
    return Options(
        tuple(absolute(zone.lower()) for zone in directive.arguments) or zones,
        pods[0] if pods else DISABLED,
        directive.option("endpoint_pod_names") is not None,
        int(ttl[0]) if ttl else 5,
        None if through is None else tuple(map(absolute, through)) or (".",),
        directive.option("ignore") == ("empty_service",),
        directive.option("noendpoints") is None,
        frozenset(directive.option("namespaces") or ()),
    )


def records(world: World, told: Options, name: str, zone: str) -> list[Found]:
    """What a name of this zone means (both in lower case); nothing: it exists without records. `Unknown` otherwise."""
    base = name.removesuffix(zone).rstrip(".") if zone != "." else name.rstrip(".")
    labels = base.split(".") if base else []
    if base in ("", "svc", "pod"):
        return []
    kind, rest = labels[-1], labels[:-1]
    if kind not in ("svc", "pod") or len(rest) > 4 or name.endswith(".arpa."):
        raise Unknown
    if not _is_exposed(world, told, rest[-1]):
        raise Unknown
    if len(rest) == 1:
        return []
    find = _pods if kind == "pod" else _services
    found = find(world, told, rest, zone)
    if not found:
        raise Unknown
    return found


def _is_exposed(world: World, told: Options, namespace: str) -> bool:
    allowed = not told.namespaces or namespace in told.namespaces
    return allowed and world.get(("api", "namespaces", namespace)) is not None


def _pods(world: World, told: Options, labels: list[str], zone: str) -> list[Found]:
    """``10-244-1-2.default.pod``: `insecure` believes any address, `verified` looks whether a Pod has it."""
    word, namespace = labels[-2], labels[-1]
    dotted = word.count("-") == 3 and "--" not in word
    address = word.replace("-", "." if dotted else ":")
    if told.pods == DISABLED or not ip.is_address(address):
        return []
    if told.pods == VERIFIED and not any(n.startswith(f"{namespace}/") for n in _pods_at(world, address)):
        return []
    return [Found(address)]


def _pods_at(world: World, address: str) -> list[str]:
    return world.table("api", "pods").index(_by_address).get(ip.canonical(address), [])


def pod_namespace(world: World, address: str) -> str:
    """The namespace of the Pod that has this address; empty: none has it."""
    return next((name.partition("/")[0] for name in _pods_at(world, address)), "")


def _by_address(pods: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, pod in pods.items():
        status = pod.get("status") or {}
        for address in {str(each.get("ip", "")) for each in status.get("podIPs") or ()} | {status.get("podIP") or ""}:
            if address:
                found.setdefault(ip.canonical(address), []).append(str(name))
    return found


def _services(world: World, told: Options, labels: list[str], zone: str) -> list[Found]:
    service, namespace, front = labels[-2], labels[-1], labels[:-2]
    endpoint = front[0] if len(front) == 1 else ""
    port, protocol = [word.removeprefix("_") for word in front] if len(front) == 2 else ("", "")
    obj = world.get(("api", "services", f"{namespace}/{service}"))
    if obj is None:
        return []
    spec, full = obj["spec"], f"{service}.{namespace}.svc.{zone}"
    if spec.get("type") == "ExternalName":
        target = str(spec.get("externalName", ""))
        return [Found(target, name=full)] if not front and not ip.is_address(target) else []
    if spec.get("clusterIP") == "None" or endpoint:
        return list(_endpoints(world, told, f"{namespace}/{service}", endpoint, (port, protocol), full))
    if told.ignore_empty and not any(ready_endpoints(world, f"{namespace}/{service}")):
        return []
    ports = spec.get("ports") or [{"port": NO_PORT}]
    fitting = [each for each in ports if _fits(each, port, protocol)]
    return [Found(ip.canonical(a), int(each["port"]), full) for each in fitting for a in cluster_ips(spec)]


def _fits(port: Obj, name: str, protocol: str) -> bool:
    return name in ("", str(port.get("name") or "").lower()) and protocol in (
        "",
        str(port.get("protocol") or "TCP").lower(),
    )


def cluster_ips(spec: Obj) -> list[str]:
    """A Service's own addresses; a headless one has none."""
    every = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [str(address) for address in every if address not in (None, "", "None")]


def _endpoints(
    world: World, told: Options, service: str, wanted: str, port: tuple[str, str], full: str
) -> Iterator[Found]:
    if not told.endpoints:
        return
    for ports, endpoint, address in ready_endpoints(world, service):
        own = hostname(told, endpoint, address)
        if wanted in ("", own.lower()):
            for each in ports:
                if _fits(each, *port):
                    yield Found(address, int(each.get("port") or NO_PORT), f"{own}.{full}")


def ready_endpoints(world: World, service: str) -> Iterator[tuple[list[Obj], Obj, str]]:
    """(ports, endpoint, address) of a Service's ready endpoints, slice by slice. (A missing ``ready`` is true.)"""
    for piece in world.table("api", "endpointslices").index(_by_service).get(service, ()):
        ports = piece.get("ports") or [{"port": NO_PORT}]
        for endpoint in piece.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                for address in endpoint.get("addresses") or ():
                    yield ports, endpoint, ip.canonical(str(address)) if ip.is_address(str(address)) else str(address)


def _by_service(slices: Table) -> dict[str, list[Obj]]:
    found: dict[str, list[Obj]] = {}
    for key in sorted(map(str, slices)):
        obj = slices[key]
        name = (obj["metadata"].get("labels") or {}).get(SERVICE_NAME)
        if name:
            found.setdefault(f"{obj['metadata'].get('namespace', 'default')}/{name}", []).append(obj)
    return found


def hostname(told: Options, endpoint: Obj, address: str) -> str:
    """An endpoint's own label: its hostname, its Pod's name where that was asked for, or its address with dashes."""
    pod = (endpoint.get("targetRef") or {}).get("name", "") if told.endpoint_pod_names else ""
    if own := endpoint.get("hostname") or pod:
        return str(own)
    dashed = address.replace(".", "-").replace(":", "-")
    return f"{dashed}0" if dashed.endswith("-") else dashed


def names_of(world: World, told: Options, address: str) -> list[str]:
    """The names that an address has: the Service whose cluster IP it is, or else its endpoints' names."""
    key = ip.canonical(address)
    service = world.table("api", "services").index(_by_cluster_ip).get(key)
    if service is not None:
        namespace, _, name = service.partition("/")
        return [f"{name}.{namespace}.svc.{told.primary}"] if _is_allowed(told, namespace) else []
    found = []
    services = world.table("api", "endpointslices").index(_by_endpoint).get(key, ()) if told.endpoints else ()
    for service in services:
        namespace, _, name = service.partition("/")
        for _, endpoint, own in ready_endpoints(world, service):
            if own == key and _is_allowed(told, namespace):
                found.append(f"{hostname(told, endpoint, own)}.{name}.{namespace}.svc.{told.primary}")
    return list(dict.fromkeys(found))


def _is_allowed(told: Options, namespace: str) -> bool:
    return not told.namespaces or namespace in told.namespaces


def _by_cluster_ip(services: Table) -> dict[str, str]:
    return {ip.canonical(a): str(name) for name, service in services.items() for a in cluster_ips(service["spec"])}


def _by_endpoint(slices: Table) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for service, pieces in _by_service(slices).items():
        for piece in pieces:
            for address in (a for e in piece.get("endpoints") or () for a in e.get("addresses") or ()):
                if ip.is_address(str(address)):
                    key = ip.canonical(str(address))
                    found[key] = tuple(dict.fromkeys((*found.get(key, ()), service)))
    return found


def own_addresses(world: World, told: Options, local: tuple[str, ...], zone: str) -> list[Found]:
    """Under which names and addresses this very server is found: those of the Services that it is an endpoint of."""
    services = world.table("api", "endpointslices").index(_by_endpoint)
    mine = dict.fromkeys(s for address in local for s in services.get(address, ()) if told.endpoints)
    found = []
    for service in mine:
        namespace, _, name = service.partition("/")
        obj = world.get(("api", "services", service))
        addresses = cluster_ips(obj["spec"]) if obj is not None else []
        found += [Found(address, name=f"{name}.{namespace}.svc.{zone}") for address in addresses]
    return found or [Found(address, name=f"ns.dns.{zone}") for address in local]

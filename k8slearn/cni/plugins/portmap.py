"""The ``portmap`` plugin: a port of the node that leads to a port of the pod (``hostPort``).

It runs after the plugin that made the interface, and reads the pod's address in ``prevResult``. Packets to a local
address and a mapped port are translated by a chain of the container's own. Packets from the pod's own network or from
localhost are masqueraded too, or the answer would not come back this way. Two containers may claim one port: the
first rule wins.

Left out: IPv6, ``conditionsV4``, ``externalSetMarkChain``, and the nftables backend.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from k8slearn.cni import chains, spec
from k8slearn.cni.skel import Args, Printed, plugin, typed
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands, Put
from k8slearn.linux import ip

DNAT, MASQ, SETMARK = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK"
MOST_PORTS = 15
"""The multiport match takes no more in one rule."""


class Mapping(NamedTuple):
    """One mapped port."""

    host_port: int
    container_port: int
    protocol: str
    host_ip: str


def _add(args: Args) -> Printed:
    previous = args.config.get("prevResult")
    if not isinstance(previous, dict):
        raise CniError("must be called as chained plugin")
    mappings, result = _mappings(args), spec.read(previous)
    if mappings:
        for entry in result.get("ips", ()):
            yield from _forward(args, mappings, entry["address"])
    return spec.printed(result, args.version)


def _forward(args: Args, mappings: list[Mapping], cidr: str) -> Commands:
    world, node = args.world, args.node
    own = chains.name_of("CNI-DN-", args.name, args.container_id)
    mark = '-m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000'
    yield from chains.ensure(world, node, SETMARK, (mark,))
    yield from chains.ensure(world, node, MASQ, ("-m mark --mark 0x2000/0x2000 -j MASQUERADE",))
    jump = f'-m comment --comment "CNI portfwd requiring masquerade" -j {MASQ}'
    yield from chains.ensure(world, node, "POSTROUTING", (jump,), first=True)
    rules = [rule for mapping in mappings for rule in _rules(mapping, cidr)]
    yield from chains.ensure(world, node, own, rules)
    yield from chains.ensure(world, node, DNAT, _jumps(args, mappings, own))
    for built_in in ("PREROUTING", "OUTPUT"):
        yield from chains.ensure(world, node, built_in, (f"-m addrtype --dst-type LOCAL -j {DNAT}",))
    device = _device_towards(args, cidr)
    if device:
        yield Put((node, "sysctl", f"net.ipv4.conf.{device}.route_localnet"), "1")


def _rules(mapping: Mapping, cidr: str) -> list[str]:
    protocol, address = mapping.protocol, cidr.partition("/")[0]
    base, prefix = ip.network(cidr)
    to = f"-d {mapping.host_ip}/32 " if mapping.host_ip not in ("", "0.0.0.0") else ""
    match = f"{to}-p {protocol} -m {protocol} --dport {mapping.host_port}"
    sources = (f"{ip.text(base)}/{prefix}", "127.0.0.1/32")
    marks = [f"-s {source} {match} -j {SETMARK}" for source in sources]
    return [*marks, f"{match} -j DNAT --to-destination {address}:{mapping.container_port}"]


def _jumps(args: Args, mappings: list[Mapping], chain: str) -> list[str]:
    said = f'-m comment --comment "dnat name: \\"{args.name}\\" id: \\"{args.container_id}\\""'
    jumps = []
    for protocol in sorted({m.protocol for m in mappings}):
        ports = [str(m.host_port) for m in mappings if m.protocol == protocol]
        for at in range(0, len(ports), MOST_PORTS):
            dports = ",".join(ports[at : at + MOST_PORTS])
            jumps.append(f"-p {protocol} {said} -m multiport --dports {dports} -j {chain}")
    return jumps


def _device_towards(args: Args, cidr: str) -> str:
    """The node's device that leads to the pod."""
    address = cidr.partition("/")[0]
    near = [r for r in args.world.table(args.node, "route").values() if r.dev and ip.within(address, r.dst)]
    best = max(near, key=lambda r: (ip.network(r.dst)[1], r.dev), default=None)
    return str(best.dev) if best is not None else ""


def _mappings(args: Args) -> list[Mapping]:
    runtime = typed(args.config, "runtimeConfig", {}, "PortMapConf")
    found = []
    for entry in typed(runtime, "portMappings", [], "PortMapConf"):
        if not isinstance(entry, dict):
            raise CniError(
                "failed to parse config: json: cannot unmarshal into Go struct field of type main.MappingEntry"
            )
        found.append(_mapping(entry))
    return found


def _mapping(entry: dict[str, Any]) -> Mapping:
    host, container = (typed(entry, field, 0, "MappingEntry") for field in ("hostPort", "containerPort"))
    for what, port in (("container", container), ("host", host)):
        if port <= 0:
            raise CniError(f"failed to parse config: Invalid {what} port number: {port}")
    protocol = typed(entry, "protocol", "", "MappingEntry").lower() or "tcp"
    return Mapping(host, container, protocol, typed(entry, "hostIP", "", "MappingEntry"))


def _delete(args: Args) -> Commands:
    own = chains.name_of("CNI-DN-", args.name, args.container_id)
    if args.world.get(chains.key(args.node, own)) is not None:
        yield from chains.drop(args.world, args.node, own, (DNAT,))


def _check(args: Args) -> Commands:
    if (
        _mappings(args)
        and args.world.get(chains.key(args.node, chains.name_of("CNI-DN-", args.name, args.container_id))) is None
    ):
        raise CniError(f"could not find chain of container {args.container_id}")
    yield from ()


portmap = plugin("portmap", _add, _delete, _check)

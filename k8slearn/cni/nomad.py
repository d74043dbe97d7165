"""Another orchestrator: what a Nomad client does for the network of an allocation. Not a word of Kubernetes.

A job's task group that runs somewhere is an **allocation**, and it has one network namespace, as a pod has. The client
makes the namespace (named after the allocation's id), and runs a CNI configuration list with ``eth0`` for it, as a
container runtime does for a pod: the same plugins, the same calls, other words in CNI_ARGS (NOMAD_JOB_ID, ...).
With ``mode = "bridge"`` the list is Nomad's own (`BRIDGE`: a bridge ``nomad`` with 172.26.64.0/20 on every client,
never routed between them: allocations meet at mapped host ports); with ``mode = "cni/NAME"`` it is the list of that
name in the client's ``cni_config_dir``.

(hashicorp/nomad client/allocrunner: network_manager_linux.go, networking_bridge_linux.go, networking_cni.go.)

Left out: servers, scheduling and drivers (an allocation runs on the client that is asked, and its tasks listen on the
ports of their group); ``mode = "host"``; IPv6, Consul's plugin, and the second and third try of a failed set-up.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from k8slearn.cni import netconf, runtime, spec
from k8slearn.cni.netconf import Network
from k8slearn.cni.runtime import Attachment
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Commands, Key, Put, World, digest
from k8slearn.linux import iptables, netns
from k8slearn.linux.listen import ANY
from k8slearn.linux.rows import Socket
from k8slearn.linux.rules import Chain

CONFIG_DIR = "/opt/cni/config"
"""``cni_config_dir`` of the client's configuration."""
SUBNET, ADMIN = "172.26.64.0/20", "NOMAD-ADMIN"
RULE = f"-d {SUBNET} -o nomad -j ACCEPT"
FIRST_PORT, LAST_PORT = 20000, 32000
"""Dynamic ports are taken from here."""
_IPAM = {
    "type": "host-local",
    "ranges": [[{"subnet": SUBNET}]],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dataDir": "/var/run/cni",
}
_SWITCHES = {"ipMasq": True, "isGateway": True, "forceAddress": True, "hairpinMode": False}
BRIDGE = {
    "cniVersion": "0.4.0",
    "name": "nomad",
    "plugins": [
        {"type": "loopback"},
        {"type": "bridge", "bridge": "nomad", **_SWITCHES, "ipam": _IPAM},
        {"type": "firewall", "backend": "iptables", "iptablesAdminChainName": ADMIN},
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ],
}
"""The list that Nomad writes for ``mode = "bridge"``."""
PENDING, RUNNING, COMPLETE, FAILED = "pending", "running", "complete", "failed"


class Port(NamedTuple):
    """A port of the group: its label, the host's port (`dynamic`: Nomad chose it), and the allocation's own."""

    label: str
    host: int
    to: int
    dynamic: bool


@dataclass(frozen=True, slots=True)
class Alloc:
    """An allocation, as ``nomad alloc status`` shows it; a row of its node's table ``alloc``."""

    id: str
    job: str
    group: str
    index: int
    mode: str
    ports: tuple[Port, ...] = ()
    namespace: str = "default"
    status: str = PENDING
    description: str = "No tasks have started"
    address: str = ""
    """Its own address on the network."""
    created: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.job}.{self.group}[{self.index}]"


def key(node: str, alloc: Alloc) -> Key:
    """Where the world keeps this allocation."""
    return (node, "alloc", alloc.id)


def allocs(world: World, node: str, job: str = "") -> list[Alloc]:
    """The allocations of a client, of one job or of all, the newest first."""
    rows: list[Alloc] = [row for row in world.table(node, "alloc").values() if job in ("", row.job)]
    return rows[::-1]


def identity(*words: object) -> str:
    """An id in the form of a UUID: derived, where Nomad draws one."""
    digits = digest("nomad", *words, length=32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def free_port(world: World, node: str, *words: object) -> int:
    """A host port that no allocation of this client has."""
    taken = {port.host for alloc in allocs(world, node) if alloc.status == RUNNING for port in alloc.ports}
    start = int(digest("port", node, *words), 16)
    span = LAST_PORT - FIRST_PORT
    return next(p for turn in range(span) if (p := FIRST_PORT + (start + turn) % span) not in taken)


def start(world: World, node: str, alloc: Alloc, host_ip: str) -> Generator[Command, None, Alloc]:
    """Give the allocation its namespace and its network, and start its tasks; returns it as it is then."""
    yield Put(key(node, alloc), alloc)
    yield from netns.add(world, node, alloc.id, f"nomad/{alloc.name}")
    try:
        result = yield from _network(world, node, alloc, host_ip)
    except CniError as error:
        why = f'pre-run hook "network" failed: failed to configure networking for alloc: {error}'
        done = replace(alloc, status=FAILED, description=f"failed to setup alloc: {why}")
        yield from _teardown(world, node, alloc, host_ip)
    else:
        address = next((str(row["address"]).partition("/")[0] for row in result.get("ips", ())), "")
        done = replace(alloc, status=RUNNING, description="Tasks are running", address=address)
        yield from _tasks(node, alloc)
    yield Put(key(node, done), done)
    return done


def stop(world: World, node: str, alloc: Alloc, host_ip: str) -> Commands:
    """Stop an allocation: its network goes, then its namespace."""
    yield from _teardown(world, node, alloc, host_ip)
    done = replace(alloc, status=COMPLETE, description="All tasks have completed", address="")
    yield Put(key(node, done), done)


def _network(world: World, node: str, alloc: Alloc, host_ip: str) -> Generator[Command, None, spec.Result]:
    network = network_of(world, node, alloc)
    if alloc.mode == "bridge":
        yield from _admin_chain(world, node)
    try:
        return (yield from runtime.add(world, network, attachment(node, alloc, host_ip)))
    except CniError as error:
        raise CniError(f"failed to configure network: {error.msg}", error.code, error.details) from None


def network_of(world: World, node: str, alloc: Alloc) -> Network:
    """The list that this allocation's mode names. Raises CniError in Nomad's words."""
    if alloc.mode == "bridge":
        return netconf.read({"nomad.conflist": json.dumps(BRIDGE)}, "nomad.conflist")
    name = alloc.mode.removeprefix("cni/")
    try:
        return netconf.load(world.table(node, "file"), CONFIG_DIR, name)
    except CniError as error:
        said = error.msg
        if said.startswith("no net configurations found"):
            said = f"no CNI network config found in {CONFIG_DIR}"
        elif said.startswith("no net configuration with name"):
            said = f'CNI network config not found for name "{name}"'
        raise CniError(f"failed to load CNI config: {said}") from None


def attachment(node: str, alloc: Alloc, host_ip: str) -> Attachment:
    """What the plugins are told: the container's id is the allocation's."""
    words = {
        "IgnoreUnknown": "true",
        "NOMAD_ALLOC_ID": alloc.id,
        "NOMAD_GROUP_NAME": alloc.group,
        "NOMAD_JOB_ID": alloc.job,
        "NOMAD_NAMESPACE": alloc.namespace,
        "NOMAD_REGION": "global",
    }
    args = ";".join(f"{name}={value}" for name, value in words.items() if ";" not in value)
    mappings = [
        {"hostPort": port.host, "containerPort": port.to, "protocol": proto, "hostIP": host_ip}
        for port in alloc.ports
        for proto in ("tcp", "udp")
    ]
    capabilities = json.dumps({"portMappings": mappings}) if mappings else "{}"
    return Attachment(node, alloc.id, netns.PATH + alloc.id, "eth0", args, capabilities)


def _admin_chain(world: World, node: str) -> Commands:
    """ensureForwardingRules: what goes to the bridge is accepted (the firewall plugin jumps to this chain)."""
    where = (node, "chain", ("ip", "filter", ADMIN))
    chain: Chain = world.get(where) or Chain()
    rule = iptables.parse_rule(RULE)
    if rule not in chain.rules:
        yield Put(where, Chain((*chain.rules, rule), chain.policy))


def _tasks(node: str, alloc: Alloc) -> Commands:
    """Its tasks listen on the ports of the group."""
    scope = netns.scope(node, alloc.id)
    for port in alloc.ports:
        for proto in ("tcp", "udp"):
            yield Put((scope, "socket", (proto, ANY, port.to)), Socket(proto, ANY, port.to, alloc.group, alloc.name))


def _teardown(world: World, node: str, alloc: Alloc, host_ip: str) -> Commands:
    with suppress(CniError):
        yield from runtime.delete(world, network_of(world, node, alloc), attachment(node, alloc, host_ip))
    if netns.exists(world, netns.scope(node, alloc.id)):
        yield from netns.delete(world, node, alloc.id)

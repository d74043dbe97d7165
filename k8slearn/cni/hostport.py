"""Host ports under kubenet: there is no plugin portmap, so the kubelet writes the rules itself (hostport manager).

::

    PREROUTING, OUTPUT ─ to a local address ─> KUBE-HOSTPORTS ─ to port 8080 ─> KUBE-HP-6YVC...
        from the pod itself ─> KUBE-MARK-MASQ (its own port, by way of the node: the answer has to come back)
        DNAT to 10.244.1.2:80
    POSTROUTING ─ from 127.0.0.0/8, out of cbr0 ─> MASQUERADE

The jump stands at the end, behind kube-proxy's: a NodePort is looked at first. A new port goes to the top of
KUBE-HOSTPORTS. The kubelet listens on the port as well, so that nobody else on the node can take it (the packets never
come that far); what a sandbox maps stands in a file, for when its pod is gone.

Source: kubernetes/kubernetes pkg/kubelet/dockershim/network/hostport (1.23).

Left out: addresses (``hostIP`` is ignored there, too), the checksum of the file, IPv6.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from k8slearn.cni import chains
from k8slearn.cni.chains import Table, Words
from k8slearn.cni.runtime import Attachment
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux.rows import Socket

PORTS, MARK = "KUBE-HOSTPORTS", "KUBE-MARK-MASQ"
JUMP: Words = (
    "-m",
    "comment",
    "--comment",
    "kube hostport portals",
    "-m",
    "addrtype",
    "--dst-type",
    "LOCAL",
    "-j",
    PORTS,
)
LOCALHOST = "SNAT for localhost access to hostports"
CHECKPOINTS = "/var/lib/dockershim/sandbox/"
ANY = "0.0.0.0"
Mapping = dict[str, Any]


def chain_of(identity: str, mapping: Mapping) -> str:
    """The chain of one mapping of a sandbox: its name is a hash (getHostportChain)."""
    words = f"{identity}{mapping['hostPort']}{str(mapping['protocol']).upper()}"
    return "KUBE-HP-" + base64.b32encode(hashlib.sha256(words.encode()).digest()).decode()[:16]


def add(world: World, to: Attachment, ip: str, bridge: str) -> Commands:
    """Open what the pod asks for, and lead it there. Raises CniError where a port is taken."""
    mappings: list[Mapping] = json.loads(to.capabilities).get("portMappings") or []
    if not mappings:
        return
    said = dict(word.partition("=")[::2] for word in to.args.split(";"))
    name, namespace = said.get("K8S_POD_NAME", ""), said.get("K8S_POD_NAMESPACE", "")
    data = {"port_mappings": [_checkpoint(mapping) for mapping in mappings]}
    text = json.dumps({"version": "v1", "name": name, "namespace": namespace, "data": data})
    yield Put((to.node, "file", CHECKPOINTS + to.container_id), text)
    yield from _chains(world, to.node, bridge)
    for mapping in mappings:
        yield from _open(world, to.node, mapping, f"{name}_{namespace}")
    for mapping in mappings:
        yield from _lead(world, to, mapping, f"{name}_{namespace}", ip)


def _checkpoint(mapping: Mapping) -> Mapping:
    return {
        "protocol": str(mapping["protocol"]).lower(),
        "container_port": mapping["containerPort"],
        "host_port": mapping["hostPort"],
    }


def _chains(world: World, node: str, bridge: str) -> Commands:
    table = Table(node)
    yield from chains.ensure(world, table, PORTS)
    if world.get(table.key(MARK)) is None:
        yield from chains.ensure(world, table, MARK, [("-j", "MARK", "--set-xmark", "0x4000/0x4000")])
    for hook in ("OUTPUT", "PREROUTING"):
        yield from chains.ensure(world, table, hook, [JUMP])
    local = ("-s", "127.0.0.0/8", "-o", bridge, "-m", "comment", "--comment", LOCALHOST, "-j", "MASQUERADE")
    yield from chains.ensure(world, table, "POSTROUTING", [local])


def _open(world: World, node: str, mapping: Mapping, pod: str) -> Commands:
    """The kubelet listens on the port (not for SCTP)."""
    protocol, port = str(mapping["protocol"]).lower(), mapping["hostPort"]
    if protocol == "sctp":
        return
    if any((row.proto, row.port) == (protocol, port) for row in world.table(node, "socket").values()):
        why = f"listen {protocol}4 :{port}: bind: address already in use"
        raise CniError(f"cannot open hostport {port} for pod {pod}: {why}")
    yield Put(_socket(node, protocol, port), Socket(protocol, ANY, port, "kubelet", node))


def _socket(node: str, protocol: str, port: int) -> Key:
    return (node, "socket", (protocol, ANY, port))


def _lead(world: World, to: Attachment, mapping: Mapping, pod: str, ip: str) -> Commands:
    table, chain = Table(to.node), chain_of(to.container_id, mapping)
    protocol = str(mapping["protocol"]).lower()
    said = ("-m", "comment", "--comment", f"{pod} hostport {mapping['hostPort']}")
    there = f"{ip}:{mapping['containerPort']}"
    own = ("-s", f"{ip}/32", *said, "-j", MARK)
    lead = ("-p", protocol, *said, "-m", protocol, "-j", "DNAT", "--to-destination", there)
    yield from chains.ensure(world, table, chain, [own, lead])
    port = ("-p", protocol, *said, "-m", protocol, "--dport", str(mapping["hostPort"]), "-j", chain)
    yield from chains.ensure(world, table, PORTS, [port], first=True)


def remove(world: World, node: str, identity: str) -> Commands:
    """Close a sandbox's ports, by what its file says."""
    where: Key = (node, "file", CHECKPOINTS + identity)
    text = world.get(where)
    for mapping in _known(text) if text is not None else ():
        chain = chain_of(identity, mapping)
        if world.get(Table(node).key(chain)) is not None:
            yield from chains.drop(world, Table(node), chain, [PORTS])
            held = world.get(_socket(node, mapping["protocol"], mapping["hostPort"]))
            if held is not None and held.program == "kubelet":
                yield Remove(_socket(node, mapping["protocol"], mapping["hostPort"]))
    if text is not None:
        yield Remove(where)


def _known(text: str) -> Iterator[Mapping]:
    for found in json.loads(text)["data"]["port_mappings"]:
        yield {"protocol": found["protocol"], "hostPort": found["host_port"], "containerPort": found["container_port"]}

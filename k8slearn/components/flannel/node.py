"""What flanneld does on a node when it starts, in its order: the backend, the rules, subnet.env, and "I am up".

Left out: clean-up of another mode's rules.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.api import conditions
from k8slearn.api.admit import stamped, timestamp
from k8slearn.components.flannel import host_gw, rules, vxlan
from k8slearn.components.flannel.backend import Backend, Fatal
from k8slearn.components.flannel.daemon import Daemon
from k8slearn.components.flannel.lease import piece
from k8slearn.journal import Commands, Put, World
from k8slearn.linux import ip

SUBNET_FILE = "/run/flannel/subnet.env"
BACKENDS: dict[str, Backend] = {
    "vxlan": Backend(vxlan.register, vxlan.add, vxlan.remove, vxlan.look_after, vxlan.missing),
    "host-gw": Backend(host_gw.register, host_gw.add, host_gw.remove, host_gw.look_after, host_gw.missing),
}


def start(world: World, own: Daemon) -> Commands:
    """Everything until it says "flannel is ready". Raises Fatal with the last line of its log."""
    _check(own)
    mtu = yield from BACKENDS[own.net.backend].register(world, own)
    yield from rules.start(world, own)
    masquerades = own.flags.get("ip-masq", "false") == "true"
    node = world.get(own.object)
    text = subnet_env({network: piece(node, ":" in network) for network in own.net.networks}, mtu, masquerades)
    yield Put((own.node, "file", own.flags.get("subnet-file", SUBNET_FILE)), text, own.config_map)
    yield from own.remember(())
    if own.flags.get("set-node-network-unavailable", "true") == "true":
        yield from _is_up(world, own)


def _check(own: Daemon) -> None:
    """What must be right before anything is touched."""
    if not own.config:
        error = "open /etc/kube-flannel/net-conf.json: no such file or directory"
        raise Fatal(f"Failed to create SubnetManager: failed to read net conf: {error}")
    try:
        net = own.net
        for network in net.networks:
            ip.network(network)
    except (ValueError, AttributeError) as error:
        raise Fatal(f"Failed to create SubnetManager: error parsing subnet config: {error}") from None
    if net.nftables:
        raise Fatal("flannel in nftables mode (EnableNFTables) is not modelled here: use iptables mode")
    if "kube-subnet-mgr" not in own.flags:
        raise Fatal("flannel with etcd is not modelled here: start flanneld with --kube-subnet-mgr")
    if net.backend not in BACKENDS:
        raise Fatal(f'Error fetching backend: unknown backend type "{net.backend}" (modelled: {", ".join(BACKENDS)})')


def subnet_env(pieces: Mapping[str, str], mtu: int, masquerades: bool) -> str:
    """/run/flannel/subnet.env, of each network and this node's piece of it; the piece is written as its first address,
    the bridge's (subnet.go)."""
    lines: dict[str, str] = {}
    for network, cidr in pieces.items():
        six = "IPV6_" if ":" in network else ""
        base, prefix = ip.network(cidr)
        lines |= {f"{six}NETWORK": network, f"{six}SUBNET": f"{ip.text(base + 1, ip.bits(cidr))}/{prefix}"}
    lines |= {"MTU": str(mtu), "IPMASQ": "true" if masquerades else "false"}
    return "".join(f"FLANNEL_{name}={value}\n" for name, value in lines.items())


def _is_up(world: World, own: Daemon) -> Commands:
    """The condition that a cloud's route controller would write elsewhere (kube.go: CompleteLease)."""
    node = world.get(own.object)
    said = ("NetworkUnavailable", "False", "FlannelIsUp", "Flannel is running on this node")
    status = conditions.put(world, node["status"], *said, lastHeartbeatTime=timestamp(world.clock))
    yield Put(own.object, stamped(world, {**node, "status": status}), own.object)

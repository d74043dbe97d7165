"""The ``aws-cni`` plugin: a cable, an address that the VPC knows, and rules that lead by the right ENI.

::

    pod: eth0 192.168.64.77/32                     node: eni4a2…, no address
    default via 169.254.1.1 dev eth0               192.168.64.77 dev eni4a2… scope link
    169.254.1.1 dev eth0 scope link                512:  from all to 192.168.64.77 lookup main
    169.254.1.1 … PERMANENT (the host end's MAC)   1536: from 192.168.64.77 lookup 2      a secondary ENI's only

The gateway is nobody, as under Calico; but here the pod is told its MAC beforehand, so nobody asks. The address comes
from ipamd on the same node (`k8slearn.cni.ipamd`). DEL takes the rules and the route away; the cable goes with the
pod's namespace.

Left out: IPv6, branch ENIs (security groups for pods), several interfaces, the network policy agent, ``egress-cni``.
"""

from __future__ import annotations

import hashlib

from k8slearn.cni import ipamd, spec
from k8slearn.cni.ipamd import Lease
from k8slearn.cni.skel import Args, Printed, open_netns, plugin, typed
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, Remove
from k8slearn.linux import addr, ip, link, route, rule
from k8slearn.linux.rows import Neighbour, Route, Rule

GATEWAY = "169.254.1.1"
SOCKET = "/var/run/aws-node/ipamd.sock"
TO_POD, FROM_POD = 512, 1536


def _add(args: Args) -> Printed:
    if not ipamd.answers(args.world, args.node):
        words = f'connection error: desc = "transport: Error while dialing: dial unix {SOCKET}: connect: '
        words += 'connection refused"'
        raise CniError(
            f"add cmd: Error received from AddNetwork gRPC call: rpc error: code = Unavailable desc = {words}"
        )
    known = args.cni_args(K8S_POD_NAMESPACE=str, K8S_POD_NAME=str, IP=str)
    pod = f"{known.get('K8S_POD_NAMESPACE', '')}/{known.get('K8S_POD_NAME', '')}"
    lease = yield from ipamd.add(args.world, args.node, args.container_id, args.ifname, pod, known.get("IP", ""))
    if lease is None:
        raise CniError("add cmd: failed to assign an IP address to container")
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
        yield from _wire(args, netns, lease)
    except (CniError, CommandError) as error:
        yield from ipamd.delete(args.world, args.node, args.container_id, args.ifname)
        raise CniError(f"add command: failed to setup network: {error}") from None
    interfaces = [
        {"name": host_end(args, "eni")},
        {"name": args.ifname, "mac": str(lease.table), "sandbox": args.netns_path},
        {"name": host_end(args, "dummy"), "mac": "0", "sandbox": str(lease.device)},
    ]
    ips = [{"address": f"{lease.address}/32", "interface": 1}]
    return spec.printed({"interfaces": interfaces, "ips": ips}, args.version)


def host_end(args: Args, usual: str) -> str:
    """The host end's name: a prefix, and eleven digits of the sha1 of ``namespace.pod``."""
    known = args.cni_args(K8S_POD_NAMESPACE=str, K8S_POD_NAME=str, IP=str)
    prefix = typed(args.config, "vethPrefix", "", "NetConf") or usual if usual == "eni" else usual
    words = f"{known.get('K8S_POD_NAMESPACE', '')}.{known.get('K8S_POD_NAME', '')}"
    return prefix + hashlib.sha1(words.encode()).hexdigest()[:11]


def _wire(args: Args, netns: str, lease: Lease) -> Commands:
    """driver.go SetupPodNetwork: the cable and what the pod sees, then the node's route and rules."""
    world, node, host, eth0 = args.world, args.node, host_end(args, "eni"), args.ifname
    if world.get(link.key(node, host)) is not None:
        yield from link.delete(world, node, host)
    mtu = typed(args.config, "mtu", "", "NetConf") or "9001"
    yield from link.add_veth(world, netns, eth0, node, host, int(mtu))
    yield from link.set_up(world, node, host)
    yield from link.set_up(world, netns, eth0)
    yield from route.replace(world, netns, Route(f"{GATEWAY}/32", dev=eth0, scope="link"))
    yield from route.add(world, netns, Route(ip.ANY, via=GATEWAY, dev=eth0))
    yield from addr.add(world, netns, eth0, f"{lease.address}/32")
    mac = link.find(world, node, host).mac
    yield Put((netns, "neigh", (eth0, GATEWAY)), Neighbour(eth0, GATEWAY, mac, "PERMANENT"))
    yield from route.replace(world, node, Route(f"{lease.address}/32", dev=host, scope="link"))
    for wanted in _rules(lease.address, lease.table):
        if world.get((node, "rule", rule.name(wanted))) is None:
            yield from rule.add(world, node, wanted, wanted.priority)


def _rules(address: str, table: int) -> list[Rule]:
    """To the pod by the main table; from a pod of a secondary ENI by that one's."""
    to_pod = Rule("ip", TO_POD, "main", dst=f"{address}/32")
    return [to_pod] + [Rule("ip", FROM_POD, str(table), src=f"{address}/32")] * (table != ipamd.MAIN)


def _delete(args: Args) -> Commands:
    """With ipamd away, what ADD printed says which address it was, and ipamd's own memory keeps it.

    Here the rules go before the address does, so that a DEL that died halfway can be done again; the real plugin gives
    the address back first.
    """
    node, ids = args.node, (args.container_id, args.ifname)
    answers = ipamd.answers(args.world, node)
    lease = ipamd.find(args.world, node, *ids) if answers else None
    found = _remembered(args) if not answers else (lease.address, lease.table) if lease is not None else None
    if found is not None:
        address, table = found
        for gone in _rules(address, table):
            yield Remove((node, "rule", rule.name(gone)))
        yield Remove(route.key(node, Route(f"{address}/32")))
    if answers:
        yield from ipamd.delete(args.world, node, *ids)


def _remembered(args: Args) -> tuple[str, int] | None:
    previous = spec.read(args.config.get("prevResult") or {})
    tables = [i.get("mac") for i in previous.get("interfaces") or () if i["name"] == args.ifname]
    addresses = [entry["address"].partition("/")[0] for entry in previous.get("ips") or ()]
    return (addresses[0], int(tables[0])) if addresses and tables and str(tables[0]).isdecimal() else None


def _check(args: Args) -> Commands:
    """The real plugin has no CHECK (``disableCheck``)."""
    yield from ()


aws_cni = plugin("aws-cni", _add, _delete, _check, vendor=True)

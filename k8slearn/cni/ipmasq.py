"""``ipMasq``: what a container sends outside its own network leaves with the node's address.

The plugins bridge and ptp keep a chain ``CNI-<24 hex digits>`` for each container (ipmasq_linux.go). POSTROUTING sends
what comes from the container's address there; in it what stays in the network is let alone, and everything else but
multicast is masqueraded.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.cni import chains
from k8slearn.cni.chains import Table, Words
from k8slearn.cni.skel import Args
from k8slearn.journal import Commands
from k8slearn.linux import ip

MULTICAST = {"ip": "224.0.0.0/4", "ip6": "ff00::/8"}


def set_up(args: Args, cidr: str) -> Commands:
    """The chain of the container, with the rules for one of its addresses (``10.1.0.2/24``)."""
    table = Table(args.node, chains.family_of(cidr))
    chain, said = _names(args)
    base, prefix = ip.network(cidr)
    inside = ("-d", f"{ip.text(base, ip.bits(cidr))}/{prefix}", "-j", "ACCEPT", *said)
    outside = ("!", "-d", MULTICAST[table.family], "-j", "MASQUERADE", *said)
    yield from chains.ensure(args.world, table, chain, (inside, outside))
    yield from chains.ensure(args.world, table, "POSTROUTING", (_jump(cidr, chain, said),))


def tear_down(args: Args, cidr: str) -> Commands:
    """The rules and the chain go."""
    table = Table(args.node, chains.family_of(cidr))
    chain, said = _names(args)
    yield from chains.remove(args.world, table, "POSTROUTING", (_jump(cidr, chain, said),))
    yield from chains.drop(args.world, table, chain, ())


def _jump(cidr: str, chain: str, said: Words) -> Words:
    return ("-s", cidr.partition("/")[0], "-j", chain, *said)


def _names(args: Args) -> tuple[str, Words]:
    """The container's chain, and the comment of its rules."""
    chain = chains.name_of("CNI-", args.name, args.container_id)
    return chain, ("-m", "comment", "--comment", f'name: "{args.name}" id: "{args.container_id}"')

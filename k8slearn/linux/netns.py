"""A network namespace is a network stack of its own: links, addresses, routes, rules, sockets (``ip netns add|del``).

A new namespace holds one link, ``lo``, which is down. It starts with the machine's IPv4 settings (devinet.c: a new
namespace inherits them). When it goes, all of it goes, and with it the far ends of its veth cables.

Left out: namespaces kept alive by a process alone.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import ipip, link, nft, stack
from k8slearn.linux.rows import Netns

PATH = "/var/run/netns/"
TABLES: tuple[str, ...] = (
    *("link", "addr", "inet6", "fib", "route", "rule", "neigh", "proxy", "arpd", "pmtu", "fdb", "vxfdb", "sysctl"),
    *("chain", "ipset", "dns", "dns-cache"),
    *(
        "ipset-member",
        "recent",
        "xt",
        "conntrack",
        "socket",
        "frontend",
        "upper",
        "qdisc",
        "qdisc_handle",
        "tcfilter",
        "bpf",
        "ipvs",
        "ipvs-client",
    ),
    *("counter", "nstat", "drops"),
)
"""What a namespace has of its own, beside nftables' tables: it goes with the namespace."""
INHERITED = ("net.ipv4.ip_forward", "net.ipv4.conf.all.", "net.ipv4.conf.default.")


def scope(machine: str, name: str) -> str:
    """The scope of a machine's namespace ``x`` (or ``/var/run/netns/x``): ``node:node-1/x``."""
    return f"{machine}/{name.removeprefix('/var').removeprefix('/run/netns/')}"


def path(netns: str) -> str:
    """The file that stands for a namespace: ``/var/run/netns/x``."""
    return PATH + netns.partition("/")[2]


def key(netns: str) -> Key:
    """Where the world keeps this namespace."""
    return (netns, "netns", "")


def exists(world: World, netns: str) -> bool:
    """Is there such a namespace?"""
    return world.get(key(netns)) is not None


def add(world: World, machine: str, name: str, title: str = "") -> Commands:
    """``ip netns add NAME`` on a machine (the scope of its root namespace). `title` is what people call it."""
    netns = scope(machine, name)
    if exists(world, netns):
        raise CommandError(f'Cannot create namespace file "/run/netns/{name}": File exists\n', 1)
    root: Netns | None = world.get(key(machine))
    yield Put(key(netns), Netns(title or name, machine, root is not None and root.ipv6))
    yield from link.add_loopback(netns)
    if world.get((machine, "module", "ipip")) is not None:
        yield from ipip.born(world, netns)
    for setting, value in list(world.table(machine, "sysctl").items()):
        if str(setting).startswith(INHERITED):
            yield Put((netns, "sysctl", setting), value)


def delete(world: World, machine: str, name: str) -> Commands:
    """``ip netns del NAME``: the namespace with all that is in it."""
    netns = scope(machine, name)
    if not exists(world, netns):
        raise CommandError(f'Cannot remove namespace file "/run/netns/{name}": No such file or directory\n', 1)
    yield from stack.fall(world, netns, "")
    for row in list(world.table(netns, "link").values()):
        if row.kind != "loopback" and world.get(link.key(netns, row.name)) is not None:
            yield from link.delete(world, netns, row.name)
    for table in (*TABLES, *nft.tables_of(world, netns)):
        for left in list(world.table(netns, table)):
            yield Remove((netns, table, left))
    yield Remove(key(netns))

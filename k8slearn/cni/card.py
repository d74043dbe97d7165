"""A pod's device on one of its node's cards: what the plugins macvlan, ipvlan and vlan have in common.

The card is ``master``; macvlan and ipvlan take that of the default route where none is named. Addresses and routes are
put on as everywhere (`iface`), and DEL succeeds where device or namespace are gone.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Generator

from k8slearn.cni import iface, spec, veth
from k8slearn.cni.skel import Args, delegate, kernel_words, open_netns
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands
from k8slearn.linux import ip, link
from k8slearn.linux.rename import rename
from k8slearn.linux.rows import Link


def netns_of(args: Args) -> str:
    """The scope of the container's namespace. Raises CniError."""
    try:
        return open_netns(args.world, args.node, args.netns_path)
    except CniError as error:
        raise CniError(f'failed to open netns "{args.netns_path}": {error}') from None


def found(args: Args, name: str) -> Link:
    """The node's card of this name. Raises CniError."""
    row: Link | None = args.world.get(link.key(args.node, name))
    if row is None:
        raise CniError("Link not found")
    return row


def of_default_route(args: Args) -> str:
    """The device of the default route. Raises CniError."""
    rows = args.world.table(args.node, "route").values()
    ways = [row for row in rows if row.dst in (ip.ANY, ip.ANY6) and row.table == "main" and row.dev]
    if not ways:
        raise CniError("no default route interface found")
    return str(min(ways, key=lambda row: (":" in row.dst, row.metric)).dev)


def made(args: Args, netns: str, kind: str, commands: Commands, name: str) -> Commands:
    """Make a device inside under a passing `name`, then call it CNI_IFNAME; where that fails it stays there."""
    try:
        yield from commands
    except CommandError as error:
        raise CniError(f"failed to create {kind}: {kernel_words(error)}") from None
    try:
        yield from rename(args.world, netns, name, args.ifname)
    except CommandError as error:
        raise CniError(f'failed to rename {kind} to "{args.ifname}": {kernel_words(error)}') from None


def interface(args: Args, netns: str) -> spec.Result:
    """The device as a result names it."""
    row = link.find(args.world, netns, args.ifname)
    return {"name": row.name, "mac": row.mac, "sandbox": args.netns_path}


def layer3(args: Args, netns: str, result: spec.Result, ipam: str = "") -> Generator[Command, None, spec.Result]:
    """Addresses and routes of a result; if they cannot be put on, `ipam` gets its lease back. Raises CniError."""
    if not result.get("ips"):
        raise CniError("IPAM plugin returned missing IP config")
    ips = [{**entry, "interface": 0} for entry in result["ips"]]
    try:
        yield from iface.address(args, netns, ips)
        yield from iface.add_routes(args, netns, ips, result.get("routes") or ())
    except CniError:
        if ipam:
            yield from delegate(args, ipam, "DEL")
        raise
    return {"ips": ips, "routes": result.get("routes")}


def removed(args: Args) -> Commands:
    """The device goes, if it is there and its namespace is."""
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
    except CniError:
        return
    yield from veth.remove(args.world, netns, args.ifname)

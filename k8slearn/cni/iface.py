"""What an IPAM plugin gave is put on an interface, and looked for again (ipam_linux.go, utils_linux.go).

ADD: the addresses first, then the interface is set up, then the routes; a route without a gateway gets the first one of
its family. CHECK: every address of the result and a route to its network; every route of the result, *with the gateway
that the result names*: one that came without is not found again, unless it is the default one.

Left out: several gateways of one IPv6 route (refused), waiting for duplicate address detection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from k8slearn.cni.skel import Args, kernel_words
from k8slearn.cni.spec import CniError, Result
from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import addr, ip, link, route, setting, sysctl
from k8slearn.linux.rows import Route

DEFAULTS = (ip.ANY, ip.ANY6)


def of_container(args: Args, result: Result) -> Result:
    """The interface that a result says is the container's own. Raises CniError where it names none."""
    found: list[Result] = [i for i in result.get("interfaces") or () if i["name"] == args.ifname]
    found = [i for i in found if i.get("sandbox", "") == args.netns_path]
    if not found:
        raise CniError(f"Sandbox in prevResult  doesn't match configured netns: {args.netns_path}")
    return found[-1]


def address(args: Args, netns: str, ips: Sequence[Result]) -> Commands:
    """The first half of ConfigureIface(): the addresses, then up. Raises CniError."""
    world, name = args.world, args.ifname
    if any(":" in entry["address"] for entry in ips):
        yield from _enable_ipv6(args, netns)
    for entry in ips:
        try:
            cidr = entry["address"]
            yield from addr.add(world, netns, name, cidr, broadcast="" if ":" in cidr else "+")
        except CommandError as error:
            words = f'failed to add IP addr {_shown(entry)} to "{name}": {kernel_words(error)}'
            raise CniError(words) from None
    yield from link.set_up(world, netns, name)


def add_routes(args: Args, netns: str, ips: Sequence[Result], routes: Iterable[Result]) -> Commands:
    """The second half: a route without a gateway gets the first one of its family. One to a network that another
    interface has a route to goes before that one (netlink's RouteAddEcmp). Raises CniError."""
    world, name = args.world, args.ifname
    gateways = {":" in e["gateway"]: e["gateway"] for e in reversed(ips) if e.get("gateway")}
    for wanted in routes:
        via = wanted.get("gw") or gateways.get(":" in wanted["dst"], "")
        try:
            yield from route.prepend(world, netns, Route(wanted["dst"], via=via, dev=name))
        except CommandError as error:
            where = f"'{{{_network(wanted['dst'])}}} via {via or '<nil>'} dev {name}'"
            raise CniError(f"failed to add route {where}: {kernel_words(error)}") from None


def _enable_ipv6(args: Args, netns: str) -> Commands:
    for dev in ("lo", args.ifname):
        switch = f"net.ipv6.conf.{dev}.disable_ipv6"
        if sysctl.is_on(args.world, netns, switch):
            yield from setting.write(args.world, netns, switch, "0")


def forward(args: Args, address: str) -> Commands:
    """ip.EnableIP4Forward(), EnableIP6Forward(): the node forwards packets of this address' family."""
    name = "net.ipv6.conf.all.forwarding" if ":" in address else "net.ipv4.ip_forward"
    if sysctl.read(args.world, args.node, name) != "1":
        yield from setting.write(args.world, args.node, name, "1")


def check_addresses(args: Args, netns: str, ips: Iterable[Result]) -> None:
    """ValidateExpectedInterfaceIPs(). Raises CniError."""
    for entry in ips:
        held = [row.cidr for row in addr.on(args.world, netns, args.ifname)]
        if entry["address"] not in held:
            raise CniError(f"Failed to match addr {entry['address']} on interface {args.ifname}")
        if not any(row.dst == _cidr(entry["address"]) for row in _main(args, netns)):
            gateway = entry.get("gateway") or "<nil>"
            raise CniError(f"Failed to find Gateway {gateway} for interface {args.ifname}")


def check_routes(args: Args, netns: str, routes: Iterable[Result]) -> None:
    """ValidateExpectedRoute(). Raises CniError."""
    for wanted in routes:
        dst, via = _cidr(wanted["dst"]), wanted.get("gw") or ""
        if not any(row.dst == dst and (dst in DEFAULTS or row.via == via) for row in _main(args, netns)):
            at, mask = _network(wanted["dst"]).split()
            shown = f"{{Dst:{{IP:{at} Mask:{mask}}} GW:{via or '<nil>'}}}"
            raise CniError(f"Expected Route {shown} not found in routing table")


def _main(args: Args, netns: str) -> list[Any]:
    return [row for row in args.world.table(netns, "route").values() if row.table == "main"]


def _cidr(text: str) -> str:
    base, prefix = ip.network(text)
    return f"{ip.text(base, ip.bits(text))}/{prefix}"


def _network(cidr: str) -> str:
    """A network as Go prints it: ``10.9.0.0 ffff0000``."""
    width = ip.bits(cidr)
    base, prefix = ip.network(cidr)
    return f"{ip.text(base, width)} {ip.mask(prefix, width):0{width // 4}x}"


def _shown(entry: Result) -> str:
    address = entry["address"].partition("/")[0]
    mask = _network(entry["address"]).split()[1]
    at, gateway = entry.get("interface", "<nil>"), entry.get("gateway") or "<nil>"
    return f"{{Interface:{at} Address:{{IP:{address} Mask:{mask}}} Gateway:{gateway}}}"

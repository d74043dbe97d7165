"""What ``ip -d link`` adds: limits, the kind of a device with the settings of its kind, and its queues.

What a kind has to say is in its own module of `shell/links`.

Left out: kinds that are not there.
"""

from __future__ import annotations

from k8slearn.journal import World
from k8slearn.linux import stack
from k8slearn.linux.device import ports
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields
from k8slearn.shell.links import KINDS, SLAVES


def detail_fields(world: World, netns: str, link: Link, mode: bool) -> Fields:
    """What ``-d`` adds to a link."""
    port, driver = bool(link.master), DRIVERS[link.kind]
    hears_all = int(port) + int(link.promisc) + int(stack.hears_all(world, netns, link))
    row: Fields = {"promiscuity": hears_all, "allmulti": int(port) + int(link.allmulti)}
    row |= {"min_mtu": driver.min_mtu, "max_mtu": driver.max_mtu}
    if link.kind in KINDS:
        row["linkinfo"] = _kind(world, netns, link)
    row |= {"inet6_addr_gen_mode": "none" if driver.link_type == "none" else "eui64"} if mode else {}
    row |= {"num_tx_queues": 1, "num_rx_queues": 1, "gso_max_size": 65536, "gso_max_segs": 65535}
    return row | {"tso_max_size": _tso(world, netns, link), "tso_max_segs": 65535, "gro_max_size": 65536}


def _kind(world: World, netns: str, link: Link) -> Fields:
    kind: Fields = {"info_kind": link.kind}
    settings = KINDS[link.kind].fields(world, netns, link)
    kind |= {"info_data": settings} if settings else {}
    if link.master:
        master: Link = world.get((netns, "link", link.master))
        slave = SLAVES[master.kind].fields(world, netns, link)
        kind |= {"info_slave_kind": master.kind, "info_slave_data": slave}
    return kind


def _tso(world: World, netns: str, link: Link) -> int:
    """A device that sends by others can do what they can (br_if.c: br_set_gso_limits)."""
    alone = (
        (link.kind == "bridge" and not ports(world, netns, link.name))
        or (link.kind == "vxlan" and link.lower is None)
        or link.kind in ("ipip", "wireguard")
    )
    return 65536 if alone else DRIVERS[link.kind].tso_max_size


def detail_text(row: Fields) -> str:
    """The same as text; it follows the MAC on the second line of a link."""
    if "promiscuity" not in row:
        return ""
    text = f" promiscuity {row['promiscuity']}  allmulti {row['allmulti']} "
    text += f"minmtu {row['min_mtu']} maxmtu {row['max_mtu']} "
    kind = row.get("linkinfo", {})
    if kind:
        text += f"\n    {kind['info_kind']} {KINDS[kind['info_kind']].text(kind.get('info_data', {}))}"
    if "info_slave_kind" in kind:
        slave = kind["info_slave_kind"]
        text += f"\n    {slave}_slave {SLAVES[slave].text(kind['info_slave_data'])}"
    text += f"addrgenmode {row['inet6_addr_gen_mode']} " if "inet6_addr_gen_mode" in row else ""
    text += f"numtxqueues {row['num_tx_queues']} numrxqueues {row['num_rx_queues']} "
    words = ("gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size")
    return text + "".join(f"{word} {row[word]} " for word in words)

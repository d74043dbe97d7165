"""``ip link show``: the network devices of a namespace, as iproute2 prints them.

Flags are partly a person's (UP), partly the device's (LOWER_UP: it has a carrier). A veth's other end is named after
the ``@``; when it lives in another namespace only its index is known (``eth0@if5``), and the namespace by the name
that this machine gave it (``link-netns``) or by a number of this namespace's own (``link-netnsid``).

Left out: ``-s -s``, alternative names, the mode of a link.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from k8slearn.errors import CommandError
from k8slearn.journal import Table, World
from k8slearn.linux import qdisc
from k8slearn.linux.device import carrier, lower_of, operstate, peer_of
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.program import Running
from k8slearn.linux.rows import Ipip, Link
from k8slearn.shell.ip_counters import counters, counters_text
from k8slearn.shell.ip_details import detail_fields, detail_text
from k8slearn.shell.iproute import Fields, Options, Words, answer, garbage, not_modelled, wrong
from k8slearn.shell.links import HARDWARE
from k8slearn.shell.process import Process

BROADCAST = {"loopback": "00:00:00:00:00:00", "ether": "ff:ff:ff:ff:ff:ff"}


@dataclass(slots=True)
class Filter:
    """Which links (and addresses) a person asked for."""

    dev: str = ""
    up: bool = False
    master: str = ""
    kind: str = ""
    group: str = ""

    def takes(self, link: Link) -> bool:
        return (
            self.dev in ("", link.name)
            and (link.up or not self.up)
            and self.master in ("", link.master)
            and self.kind in ("", link.kind if link.kind != "loopback" else "-")
            and self.group in ("", link.group)
        )


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip link show [DEV] [up] [master BRIDGE] [type KIND]``."""
    yield from ()
    wanted = Filter()
    while words:
        word = words.take()
        if not filter_word(process, wanted, word, words):
            dev_word(wanted, word, words)
    if options.statistics > 1:
        not_modelled("ip -s -s link: errors of each kind")
    rows = [link_fields(process, options, link, True) for link in chosen(process, wanted)]
    if options.json and (wanted.group or wanted.up):
        rows = _with_gaps(process, wanted, rows)
    if options.brief:
        return answer(options, [brief_fields(row) for row in rows] if options.json else rows, brief_text)
    return answer(options, rows, lambda row: head_text(row) + hardware_text(process, row) + counters_text(row))


def _with_gaps(process: Process, wanted: Filter, rows: list[Fields]) -> list[Fields]:
    """``up`` and ``group`` are filters of the tool's own: in JSON it leaves an empty object for what they hide."""
    shown = {row["ifname"]: row for row in rows}
    every = chosen(process, replace(wanted, group="", up=False))
    return [shown.get(link.name, {}) for link in every]


def filter_word(process: Process, wanted: Filter, word: str, words: Words) -> bool:
    """Read a filter that ``ip link`` and ``ip addr`` share; False where the word is none of them."""
    if word == "up":
        wanted.up = True
    elif word == "master":
        wanted.master = words.take()
        if wanted.master not in process.world.table(process.netns, "link"):
            wrong(wanted.master, "Device does not exist")
    elif word == "type":
        wanted.kind = words.take()
    elif word == "group":
        wanted.group = words.take()
    else:
        return False
    return True


def dev_word(wanted: Filter, word: str, words: Words) -> None:
    """Whatever is no keyword is the device."""
    name = words.take() if word == "dev" else word
    if wanted.dev:
        garbage("dev", name)
    wanted.dev = name


def chosen(process: Process, wanted: Filter) -> list[Link]:
    """The links that the filter takes, by index."""
    links: Table = process.world.table(process.netns, "link")
    if wanted.dev and wanted.dev not in links:
        raise CommandError(f'Device "{wanted.dev}" does not exist.\n', 1)
    return [link for link in sorted(links.values(), key=lambda link: link.index) if wanted.takes(link)]


def link_fields(process: Process, options: Options, link: Link, mode: bool) -> Fields:
    """A link in iproute2's JSON form; `mode` as ``ip link`` has it and ``ip addr`` has not."""
    driver = DRIVERS[link.kind]
    row: Fields = {"ifindex": link.index} | _other_end(process, link)
    row |= {"ifname": link.name, "flags": flags(process.world, process.netns, link), "mtu": link.mtu}
    row |= {"qdisc": qdisc_of(process.world, process.netns, link)}
    row |= {"master": link.master} if link.master else {}
    row |= {"operstate": operstate(process.world, process.netns, link)}
    row |= {"linkmode": "DEFAULT"} if mode else {}
    queue = driver.txqlen if link.txqlen is None else link.txqlen
    row |= {"group": link.group, **({"txqlen": queue} if queue else {})}
    if options.family == "":
        row |= {"link_type": driver.link_type} | hardware_fields(link)
        elsewhere = related_netns(link)
        if elsewhere not in ("", process.netns):
            row["link_netnsid"] = netns_ids(process.world, process.netns)[elsewhere]
        row |= detail_fields(process.world, process.netns, link, mode) if options.details else {}
    row |= {"ifalias": link.alias} if link.alias else {}
    return row | ({"stats64": counters(process.world, process.netns, link)} if options.statistics else {})


def qdisc_of(world: World, netns: str, link: Link) -> str:
    """What it queues with: what ``tc`` gave it, or what its driver has once the device has been up."""
    row = world.get(qdisc.key(netns, link.name))
    return qdisc.name(row) if row is not None else DRIVERS[link.kind].qdisc if link.up or link.opened else "noop"


def hardware_fields(link: Link) -> Fields:
    """The device's own address and the one that all hear."""
    special = HARDWARE.get(link.kind)
    if special is not None:
        return special(link)
    return {"address": link.mac, "broadcast": BROADCAST[DRIVERS[link.kind].link_type]}


def _other_end(process: Process, link: Link) -> Fields:
    """The device behind the ``@``: a cable's far end, or what a vlan stands on; abroad only its index is known."""
    if link.home and link.kind == "vxlan":
        return {"link_index": link.index}  # rtnetlink.c: nla_put_iflink() says something wherever a namespace follows
    below = DRIVERS[link.kind].carrier == "lower" or link.kind == "ipip"
    far = lower_of(process.world, link) if below else peer_of(process.world, link)
    if far is None:
        return {"link": None} if link.kind == "ipip" else {}
    where = link.lower if below else link.peer
    return {"link": far.name} if where is not None and where[0] == process.netns else {"link_index": far.index}


def related_netns(link: Link) -> str:
    """The namespace where a link has its other side: a cable's far end, the device below, a tunnel's home."""
    if link.peer is not None:
        return link.peer[0]
    if link.home and link.kind != "wireguard":  # wireguard.c has no get_link_net()
        return link.home
    return link.lower[0] if link.lower is not None and DRIVERS[link.kind].carrier == "lower" else ""


def flags(world: World, netns: str, link: Link) -> list[str]:
    """What stands between ``<`` and ``>``, in iproute2's order."""
    running = carrier(world, netns, link)
    other = _seen(world, netns, link)
    born = _born(link)
    words = {
        "NO-CARRIER": link.up and not running,
        "LOOPBACK": "LOOPBACK" in born,
        "BROADCAST": "BROADCAST" in born,
        "POINTOPOINT": "POINTOPOINT" in born,
        "MULTICAST": "MULTICAST" in born and link.multicast,
        "NOARP": "NOARP" in born or not link.arp,
        "ALLMULTI": link.allmulti,
        "PROMISC": link.promisc,
        "UP": link.up,
        "LOWER_UP": link.up and running,
        "M-DOWN": other is not None and not other.up,
    }
    return [word for word, is_so in words.items() if is_so]


def _born(link: Link) -> tuple[str, ...]:
    """A tunnel with a remote address has that one end only (`ip_tunnel.c: ip_tunnel_bind_dev`)."""
    remote = isinstance(link.spec, Ipip) and link.spec.remote
    return (*DRIVERS[link.kind].flags, *(("POINTOPOINT",) if remote else ()))


def _seen(world: World, netns: str, link: Link) -> Link | None:
    """The device behind the ``@`` where it is in the same namespace."""
    where = link.peer or (link.lower if DRIVERS[link.kind].carrier == "lower" else None)
    return (peer_of(world, link) or lower_of(world, link)) if where is not None and where[0] == netns else None


def netns_ids(world: World, netns: str) -> dict[str, int]:
    """The numbers by which this namespace knows those that its links lead to."""
    links: list[Link] = sorted(world.table(netns, "link").values(), key=lambda link: link.index)
    far = dict.fromkeys(place for link in links if (place := related_netns(link)) not in ("", netns))
    return {scope: number for number, scope in enumerate(far)}


def netns_name(process: Process, number: int) -> str:
    """The name in /var/run/netns of the namespace with this number, or empty."""
    scope = next((s for s, n in netns_ids(process.world, process.netns).items() if n == number), "")
    machine, _, name = scope.partition("/")
    return name if process.on_machine and machine == process.machine else ""


def brief_fields(row: Fields) -> Fields:
    """What ``ip -br -j link`` keeps."""
    kept = ("link", "link_index", "ifname", "operstate", "address", "flags")
    return {name: row[name] for name in kept if name in row}


def full_name(row: Fields) -> str:
    """``eth0@if5``: the device and its other end."""
    far = f"if{row['link_index']}" if "link_index" in row else row.get("link", "") or ("NONE" if "link" in row else "")
    return f"{row['ifname']}@{far}" if far else str(row["ifname"])


def head_text(row: Fields) -> str:
    """The first line of a link."""
    master = f"master {row['master']} " if "master" in row else ""
    mode = f"mode {row['linkmode']} " if "linkmode" in row else ""
    qdisc = f"qdisc {row['qdisc']} " if "qdisc" in row else ""
    group = f"group {row['group']} " if "group" in row else ""
    queue = f"qlen {row['txqlen']}" if "txqlen" in row else ""
    return (
        f"{row['ifindex']}: {full_name(row)}: <{','.join(row['flags'])}> mtu {row['mtu']} {qdisc}"
        f"{master}state {row['operstate']} {mode}{group}{queue}\n"
    )


def hardware_text(process: Process, row: Fields) -> str:
    """The second line of a link: its MAC, and in which namespace its other end is."""
    if "link_type" not in row:
        return ""
    words = f"    link/{row['link_type']} "
    if "address" in row:
        words += f"{row['address']} {'peer' if 'link_pointtopoint' in row else 'brd'} {row['broadcast']}"
    if "link_netnsid" in row:
        name = netns_name(process, row["link_netnsid"])
        words += f" link-netns {name}" if name else f" link-netnsid {row['link_netnsid']}"
    alias = f"\n    alias {row['ifalias']}" if "ifalias" in row else ""
    return words + detail_text(row) + alias + "\n"


def brief_text(row: Fields) -> str:
    """``ip -br link``: name, state, MAC and flags."""
    return f"{full_name(row):<16} {row['operstate']:<14} {row.get('address', '')} <{','.join(row['flags'])}> \n"


COMMANDS = {"show": show, "list": show, "lst": show}

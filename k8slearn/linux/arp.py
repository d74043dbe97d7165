"""ARP: who on this link has that address? Asked by broadcast, answered by the machine that has it.

An answer is remembered in the neighbour table (``ip neigh``); so is the asker, by the one who answers. Linux answers
for any of its addresses on any of its links (``arp_ignore``), and for others' addresses where it forwards and
``proxy_arp`` is on or a proxy entry says so; such an answer waits up to 0.8 s (``proxy_delay``), so that whoever has
the address itself is heard first. Where two machines have one address, the first answer counts: another one within a
second is ignored (`arp_process`: ``locktime``).

A program may answer too, for addresses that its machine has not (MetalLB's speaker: a packet socket on the link). Then
the kernel knows nothing of it: the frames that follow are only taken because their MAC is right. Who takes such an
address over says so to everybody by a **gratuitous** question, for its own address: whoever remembers the address
remembers the new MAC from then on, and nobody else learns anything (``arp_accept`` 0).

An entry is believed, wrong or right (`neigh.STATES`): a STALE one is used at once and looked into only after 5 seconds
(``delay_first_probe_time``), which is longer than our clients wait.

Left out: gratuitous ARP by the kernel (``arp_notify``), ``arp_accept`` 1, that later look, ``arp_filter``,
``proxy_arp_pvlan``, ``proxy_delay`` 0, asking the known MAC before everybody.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

from k8slearn.journal import Commands, Put, Table, World
from k8slearn.linux import fib, ip, ndp, neigh, path, sysctl
from k8slearn.linux.rows import Link, Neighbour
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, step

BROADCAST = "ff:ff:ff:ff:ff:ff"
NOBODY = "0.0.0.0"
"""The sender of a question from a machine without an address."""
ARPD = "arpd"
"""The table of addresses that a program answers for: (device, address) -> `Answered`."""
USABLE = tuple(state for state, (used, _) in neigh.STATES.items() if used)


class Answered(NamedTuple):
    """An address that a program answers ARP for on a device, as if it were the machine's."""

    dev: str
    address: str
    program: str


def resolve(net: Net, skb: Skb, dev: str, address: str) -> str:
    """The MAC for an address on a link. Empty: the packet waits (in `net.held`) until somebody answers."""
    known: Neighbour | None = net.world.rows[skb.netns, "neigh"].get((dev, address))
    if known is not None and known.state in USABLE:
        why, says = _because(skb.netns, dev, address, known.mac, known.state), f"{address} is at {known.mac}"
        net.say(step((skb.netns, "neighbour", says, skb.packet, skb.packet, why, dev, "", "")))
        return known.mac
    link = fib.link(net.world, skb.netns, dev)
    if link is not None and not link.arp:
        why = path.link_because(skb.netns, link)
        net.say(Step(skb.netns, "neighbour", f"{dev} asks nobody (NOARP)", skb.packet, skb.packet, why, dev))
        return link.mac
    if (net.attempt, skb.netns, dev, address) in net.given_up:
        path.neighbour_failed(net, skb, dev, address)
        return ""
    waiting = net.held.setdefault((skb.netns, dev, address), [])
    waiting.append(skb)
    if len(waiting) == 1:
        _ask(net, skb, dev, address)
    return ""


@lru_cache(maxsize=1 << 12)
def _because(netns: str, dev: str, address: str, mac: str, state: str) -> Because:
    return Because((netns, "neigh", (dev, address)), f"{address} dev {dev} lladdr {mac} {state}")


def _ask(net: Net, skb: Skb, dev: str, address: str) -> None:
    link = fib.link(net.world, skb.netns, dev)
    if link is None:
        return
    if ":" in address:
        ndp.ask(net, skb, link, address)
        return
    src = _asker(net, skb, dev, address)
    question = Packet("arp", src, address, flags="who-has", eth_src=link.mac, eth_dst=BROADCAST, size=28)
    net.say(Step(skb.netns, "arp", f"who has {address}? asked on {dev}", skb.packet, question, None, dev))
    path.hand_over(net, skb.netns, link, question)


def _asker(net: Net, skb: Skb, dev: str, address: str) -> str:
    """The address that asks (`arp_solicit`): the packet's own source, unless ``arp_announce`` wants one of the link."""
    world, netns, src = net.world, skb.netns, skb.packet.src
    announce = sysctl.highest(world, netns, dev, "arp_announce")
    own = announce < 2 and fib.local_address(world, netns, src) is not None
    if own and (not announce or _together(net, netns, dev, src, address)):
        return src
    return fib.select_source(world, netns, dev, address) or NOBODY


def _together(net: Net, netns: str, dev: str, one: str, other: str) -> bool:
    """Are both in one network of this device (`inet_addr_onlink`)?"""
    rows = net.world.rows[netns, "addr"].values()
    networks = [row.network for row in rows if row.dev == dev]
    return any(ip.within(one, network) and ip.within(other, network) for network in networks)


def receive(net: Net, netns: str, link: Link, frame: Packet) -> None:
    """An ARP frame that reached a machine (`arp.c: arp_process`)."""
    if frame.flags == "is-at":
        if frame.eth_dst == link.mac and (netns, link.name, frame.src) in net.held:
            learn(net, netns, link, frame.src, frame.eth_src, "REACHABLE")
            path.neighbour_found(net, netns, link.name, frame.src, frame.eth_src)
        return
    if frame.src == frame.dst and not fib.local_address(net.world, netns, frame.dst):
        if net.world.get((netns, "neigh", (link.name, frame.src))) is not None:
            learn(net, netns, link, frame.src, frame.eth_src, "STALE")
        return
    told: Answered | None = net.world.rows[netns, ARPD].get((link.name, frame.dst))
    if told is not None:
        why = Because((netns, ARPD, (link.name, frame.dst)), f"{told.program} answers ARP for {told.address}")
        _answer(net, netns, link, frame, why)
        return
    if not _answers(net, netns, link, frame):
        return
    if frame.src != NOBODY:
        learn(net, netns, link, frame.src, frame.eth_src, "STALE")
    found = fib.lookup(net.world, netns, frame.dst)
    answer = partial(_answer, net, netns, link, frame, found.because)
    (answer if found.kind == "local" else partial(net.late.append, answer))()


def _answer(net: Net, netns: str, link: Link, frame: Packet, because: Because | None) -> None:
    answer = Packet("arp", frame.dst, frame.src, flags="is-at", eth_src=link.mac, eth_dst=frame.eth_src, size=28)
    net.say(Step(netns, "arp", f"{frame.dst} is at {link.mac}", frame, answer, because, link.name))
    path.hand_over(net, netns, link, answer)


def announce(world: World, netns: str, dev: str, address: str) -> Commands:
    """Tell everybody on a link where an address is now: a gratuitous question."""
    link, net = fib.link(world, netns, dev), Net(world.fork())
    if link is None:
        return
    frame = Packet("arp", address, address, flags="who-has", eth_src=link.mac, eth_dst=BROADCAST, size=28)
    path.hand_over(net, netns, link, frame)
    path.run(net)
    yield from net.effects


def _answers(net: Net, netns: str, link: Link, frame: Packet) -> bool:
    world = net.world
    if frame.src == NOBODY:  # somebody looks whether an address is free (RFC 5227)
        return fib.lookup(world, netns, frame.dst).kind == "local"
    if fib.source_refused(world, netns, link.name, frame.src, frame.dst):
        return False
    found = fib.lookup(world, netns, frame.dst)
    if found.kind == "local":
        return not frame.dst.startswith("127.") and not _ignores(net, netns, link.name, frame)
    if found.kind != "unicast" or found.dev == link.name or not fib.forwards(world, netns, link.name, frame.dst):
        return False
    return fib.is_set(world, netns, link.name, "proxy_arp") or (link.name, frame.dst) in world.rows[netns, "proxy"]


def _ignores(net: Net, netns: str, dev: str, frame: Packet) -> bool:
    """``arp_ignore``: 1 answers for addresses of this device alone, 2 only to askers in their network, 8 never."""
    ignore = sysctl.highest(net.world, netns, dev, "arp_ignore")
    if ignore in (0, 8):
        return ignore == 8
    here = [row for row in net.world.rows[netns, "addr"].values() if (row.dev, row.address) == (dev, frame.dst)]
    if ignore == 3:
        own = fib.local_address(net.world, netns, frame.dst)
        return own is not None and own.scope == "host"
    return not any(ignore == 1 or ip.within(frame.src, row.network) for row in here) if ignore < 3 else False


def would_answer(net: Net, netns: str, frame: Packet) -> bool:
    """Can this machine have anything to say to the question? Lets a flood skip the silent ones."""
    rows = net.world.rows
    if frame.src == frame.dst and any(row.address == frame.src for row in rows[netns, "neigh"].values()):
        return True
    if any(row.address == frame.dst for row in rows[netns, ARPD].values()):
        return True
    return fib.local_address(net.world, netns, frame.dst) is not None or bool(
        rows[netns, "proxy"] or rows[netns, "sysctl"].index(_is_proxy)
    )


def _is_proxy(settings: Table) -> bool:
    """Does any device of this machine answer for others?"""
    return any(str(name).endswith(".proxy_arp") and value != "0" for name, value in settings.items())


def learn(net: Net, netns: str, link: Link, address: str, mac: str, state: str) -> None:
    """The neighbour table gets to know who has the address."""
    key = (netns, "neigh", (link.name, address))
    known: Neighbour | None = net.world.get(key)
    if known is None or (known.mac != mac and known.state != "PERMANENT") or known.state == "FAILED":
        net.write(Put(key, Neighbour(link.name, address, mac, state)))

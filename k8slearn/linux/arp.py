"""ARP: who on this link has that address? Asked by broadcast, answered by the machine that has it.

An answer is remembered in the neighbour table (``ip neigh``); so is the asker, by the one who answers. Linux answers
for any of its addresses on any of its links (`arp_ignore=0`), and for others' where ``proxy_arp`` is on.

Left out: gratuitous ARP, probing of stale entries (an entry stays good while the link is up), ``arp_ignore``,
``arp_announce``.
"""

from __future__ import annotations

from k8slearn.journal import Put
from k8slearn.linux import fib, ndp, path
from k8slearn.linux.rows import Link, Neighbour
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, Walk

BROADCAST = "ff:ff:ff:ff:ff:ff"
USABLE = ("REACHABLE", "STALE", "PERMANENT", "DELAY", "PROBE", "NOARP")


def resolve(net: Net, skb: Skb, dev: str, address: str) -> Walk[str]:
    """The MAC for an address on a link. Empty: the packet waits (in `net.held`) until somebody answers."""
    known: Neighbour | None = net.world.table(skb.netns, "neigh").get((dev, address))
    if known is not None and known.state in USABLE:
        why = Because((skb.netns, "neigh", (dev, address)), f"{address} dev {dev} lladdr {known.mac} {known.state}")
        yield Step(skb.netns, "neighbour", f"{address} is at {known.mac}", skb.packet, skb.packet, why, dev)
        return known.mac
    waiting = net.held.setdefault((skb.netns, dev, address), [])
    waiting.append(skb)
    if len(waiting) == 1:
        yield from _ask(net, skb, dev, address)
    return ""


def _ask(net: Net, skb: Skb, dev: str, address: str) -> Walk[None]:
    link = fib.link(net.world, skb.netns, dev)
    if link is None:
        return
    if ":" in address:
        yield from ndp.ask(net, skb, link, address)
        return
    own = fib.local_address(net.world, skb.netns, skb.packet.src) is not None
    src = skb.packet.src if own else fib.select_source(net.world, skb.netns, dev, address)
    question = Packet("arp", src, address, flags="who-has", eth_src=link.mac, eth_dst=BROADCAST, size=28)
    yield Step(skb.netns, "arp", f"who has {address}? asked on {dev}", skb.packet, question, None, dev)
    yield from path.hand_over(net, skb.netns, link, question)


def receive(net: Net, netns: str, link: Link, frame: Packet) -> Walk[None]:
    """An ARP frame that reached a machine (`arp.c: arp_process`)."""
    if frame.flags == "is-at":
        if frame.eth_dst == link.mac:
            yield from learn(net, netns, link, frame.src, frame.eth_src, "REACHABLE")
            yield from path.neighbour_found(net, netns, link.name, frame.src, frame.eth_src)
        return
    if not _answers(net, netns, link, frame):
        return
    yield from learn(net, netns, link, frame.src, frame.eth_src, "STALE")
    answer = Packet("arp", frame.dst, frame.src, flags="is-at", eth_src=link.mac, eth_dst=frame.eth_src, size=28)
    because = fib.lookup(net.world, netns, frame.dst).because
    yield Step(netns, "arp", f"{frame.dst} is at {link.mac}", frame, answer, because, link.name)
    yield from path.hand_over(net, netns, link, answer)


def _answers(net: Net, netns: str, link: Link, frame: Packet) -> bool:
    if fib.source_refused(net.world, netns, link.name, frame.src):
        return False
    found = fib.lookup(net.world, netns, frame.dst)
    if found.kind == "local":
        return not frame.dst.startswith("127.")
    proxy = fib.is_set(net.world, netns, link.name, "proxy_arp")
    return proxy and found.kind == "unicast" and found.dev != link.name


def would_answer(net: Net, netns: str, frame: Packet) -> bool:
    """Can this machine have anything to say to the question? Lets a flood skip the silent ones."""
    return fib.local_address(net.world, netns, frame.dst) is not None or bool(
        [n for n, v in net.world.table(netns, "sysctl").items() if str(n).endswith(".proxy_arp") and v != "0"]
    )


def learn(net: Net, netns: str, link: Link, address: str, mac: str, state: str) -> Walk[None]:
    """The neighbour table gets to know who has the address."""
    key = (netns, "neigh", (link.name, address))
    known: Neighbour | None = net.world.get(key)
    if known is None or (known.mac != mac and known.state != "PERMANENT") or known.state == "FAILED":
        yield Put(key, Neighbour(link.name, address, mac, state))

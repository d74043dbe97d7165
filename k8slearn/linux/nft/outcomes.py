"""What nftables does with a packet once a rule has decided: reject it, or give its connection a new address.

``reject`` answers the sender and ends the packet's way; ``dnat``, ``snat``, ``masquerade`` and ``redirect`` choose an
address and a port that the whole connection keeps (`nft_nat.c`, `nft_masq.c`, `nft_redir.c`), by the same `nat.setup`
that iptables' targets use.

Left out: what `nat.py` leaves out.
"""

from __future__ import annotations

from k8slearn.linux import fib, icmp, nat
from k8slearn.linux.nft.acts import Place
from k8slearn.linux.nft.values import Const, Mapped, Nat, Range, Reject
from k8slearn.linux.skb import Net, Skb

ICMPX = {
    "port-unreachable": ("port-unreachable", "port-unreachable"),
    "host-unreachable": ("host-unreachable", "addr-unreachable"),
    "no-route": ("net-unreachable", "no-route"),
    "admin-prohibited": ("admin-prohibited", "adm-prohibited"),
}
"""``icmpx`` -> the message in IPv4 and in IPv6 (`nft_reject.c`)."""
MESSAGES = {"prot-unreachable": "proto-unreachable"}
MESSAGES6 = {"admin-prohibited": "adm-prohibited"}


def reject(net: Net, skb: Skb, how: Reject) -> None:
    six = skb.packet.family == "ip6"
    if how.how == "tcp":
        icmp.reject(net, skb, "tcp-reset")
    elif how.how == "icmpx":
        icmp.reject(net, skb, ICMPX[how.code][six])
    elif (how.how == "icmpv6") == six:
        icmp.reject(net, skb, (MESSAGES6 if six else MESSAGES).get(how.code, how.code))


def translate(net: Net, skb: Skb, here: Place, to: Nat, hook: str) -> bool:
    """Choose the new address and port; the connection keeps them (`nft_nat.c`, `nft_masq.c`, `nft_redir.c`)."""
    if skb.tracked is None:
        return True
    if to.kind == "masquerade" and skb.packet.src == icmp.NOBODY:
        return True
    source = to.kind in ("snat", "masquerade")
    first, last = _addresses(net, skb, here, to, hook)
    if to.kind in ("masquerade", "redirect") and not first:
        net.say(nat.homeless(skb, skb.oif if source else skb.iif, hook))
        return False
    low, high = _ports(here, to)
    random, persistent = any("random" in flag for flag in to.flags), "persistent" in to.flags
    nat.setup(net, skb, nat.Range(first, last, low, high, random, persistent), source)
    return True


def _addresses(net: Net, skb: Skb, here: Place, to: Nat, hook: str) -> tuple[str, str]:
    match to.address:
        case Const(value=value):
            return str(value), str(value)
        case Range(low=low, high=high):
            return str(low), str(high)
        case Mapped():
            return str(here.nat[0]), str(here.nat[0])
    address = ""
    if to.kind == "masquerade":
        address = fib.select_source(net.world, skb.netns, skb.oif, skb.via or skb.packet.dst)
    elif to.kind == "redirect" and hook == "OUTPUT":
        address = "::1" if skb.packet.family == "ip6" else "127.0.0.1"
    elif to.kind == "redirect":
        address = fib.first_address(net.world, skb.netns, skb.iif, skb.packet.dst)
    return address, address


def _ports(here: Place, to: Nat) -> tuple[int, int]:
    match to.port:
        case Const(value=value):
            return int(value), int(value)
        case Range(low=low, high=high):
            return int(low), int(high)
    port = int(here.nat[1]) if isinstance(to.address, Mapped) and len(here.nat) > 1 else 0
    return port, port

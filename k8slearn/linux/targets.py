"""What a rule's target does to a packet: ``-j ACCEPT``, ``-j DNAT --to-destination``, ``-j REJECT``, ...

`TARGETS` has a row for each: it gives a verdict, or `CONTINUE` where the next rule goes on. The syntax is in
`iptables.py`.

Left out: every target that `iptables.py` does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux import conntrack, fib, icmp
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Step, Walk

ACCEPT, DROP, RETURN, CONTINUE = "ACCEPT", "DROP", "RETURN", ""

Target = Callable[[Net, Skb, Rule, str], Walk[str]]


def _verdict(word: str) -> Target:
    def target(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
        return word
        yield  # a generator, as all targets are

    return target


def _reject(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    how = dict(rule.options).get("--reject-with", "icmp-port-unreachable")
    yield from icmp.reject(net, skb, how)
    return DROP


def _dnat(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    address, _, port = dict(rule.options)["--to-destination"].partition(":")
    assert skb.tracked is not None
    conntrack.set_destination(skb.tracked, address or skb.packet.dst, int(port or 0))
    return ACCEPT
    yield


def _redirect(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    address = "127.0.0.1" if hook == "OUTPUT" else fib.select_source(net.world, skb.netns, skb.iif, skb.packet.src)
    assert skb.tracked is not None
    conntrack.set_destination(skb.tracked, address, int(dict(rule.options).get("--to-ports", "0")))
    return ACCEPT
    yield


def _snat(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    address, _, port = dict(rule.options)["--to-source"].partition(":")
    conntrack.set_source(net, skb, address, int(port or 0))
    return ACCEPT
    yield


def _masquerade(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    """The address of the interface that the packet leaves by (`nf_nat_masquerade.c`)."""
    address = fib.select_source(net.world, skb.netns, skb.oif, skb.via or skb.packet.dst)
    if not address:
        yield Step(skb.netns, "drop", f"{skb.oif} ate my IP address", skb.packet, skb.packet, None, skb.oif, hook)
        return DROP
    conntrack.set_source(net, skb, address, 0)
    return ACCEPT


def _set_mark(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    value, _, mask = dict(rule.options)["--set-xmark"].partition("/")
    skb.mark = (skb.mark & ~int(mask or "0xffffffff", 0) & 0xFFFFFFFF) ^ int(value, 0)
    return CONTINUE
    yield


def _notrack(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    skb.tracked, skb.state = None, "UNTRACKED"
    return CONTINUE
    yield


TARGETS: Mapping[str, Target] = {
    "ACCEPT": _verdict(ACCEPT),
    "DROP": _verdict(DROP),
    "RETURN": _verdict(RETURN),
    "REJECT": _reject,
    "DNAT": _dnat,
    "SNAT": _snat,
    "MASQUERADE": _masquerade,
    "REDIRECT": _redirect,
    "MARK": _set_mark,
    "CT": _notrack,
    "LOG": _verdict(CONTINUE),
}

"""A rule's target decides what becomes of a packet that matched: ``-j ACCEPT``, ``-j DNAT``, ``-j REJECT``, ...

`VERDICTS` or `TARGETS` has a row for each: it gives a verdict, or `CONTINUE` where the next rule goes on. The syntax
is in `iptables`. Not every target works everywhere (``shell/iptables_check.py``)::

    table    hook                     targets
    raw      any                      CT NOTRACK
    nat      PREROUTING, OUTPUT       DNAT REDIRECT
    nat      POSTROUTING, INPUT       SNAT
    nat      POSTROUTING              MASQUERADE
    mangle   any                      CHECKSUM
    filter   INPUT, FORWARD, OUTPUT   REJECT
    any      any                      ACCEPT DROP RETURN MARK CONNMARK LOG NFLOG TCPMSS SET

Left out: every target that `iptables` does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux import fib, icmp, ipset, log, marks, mss, nat
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Step

ACCEPT, DROP, RETURN, CONTINUE = "ACCEPT", "DROP", "RETURN", ""

Target = Callable[[Net, Skb, Rule, str], str]


def _reject(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    how = dict(rule.options).get("--reject-with", "icmp-port-unreachable")
    icmp.reject(net, skb, how)
    return DROP


def _range(rule: Rule, option: str, prefix: str = "") -> nat.Range:
    said = dict(rule.options)
    random = "--random" in said or "--random-fully" in said
    return nat.range_of(prefix + said.get(option, ""), random, "--persistent" in said)


def _dnat(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    nat.setup(net, skb, _range(rule, "--to-destination"), False)
    return ACCEPT


def _redirect(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """To this machine itself (`nf_nat_redirect.c`): loopback for its own packets, else the address of the device."""
    loopback = "::1" if skb.packet.family == "ip6" else "127.0.0.1"
    address = loopback if hook == "OUTPUT" else fib.first_address(net.world, skb.netns, skb.iif, skb.packet.dst)
    if not address:
        net.say(nat.homeless(skb, skb.iif, hook))
        return DROP
    nat.setup(net, skb, _range(rule, "--to-ports", ":")._replace(first=address, last=address), False)
    return ACCEPT


def _snat(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    nat.setup(net, skb, _range(rule, "--to-source"), True)
    return ACCEPT


def _masquerade(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """The address of the interface that the packet leaves by (`nf_nat_masquerade.c`)."""
    if skb.packet.src == icmp.NOBODY:
        return ACCEPT
    address = fib.select_source(net.world, skb.netns, skb.oif, skb.via or skb.packet.dst)
    if not address:
        net.say(nat.homeless(skb, skb.oif, hook))
        return DROP
    nat.setup(net, skb, _range(rule, "--to-ports", ":")._replace(first=address, last=address), True)
    return ACCEPT


def _ct(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """``-j CT``, before conntrack has seen the packet (`xt_CT.c`): ``--notrack`` leaves it without a connection."""
    said = dict(rule.options)
    if skb.tracked is not None or skb.state:
        return CONTINUE
    if "--notrack" in said or rule.target == "NOTRACK":
        skb.state = "UNTRACKED"
    elif any(option.startswith("--zone") for option in said):
        says = "conntrack zones are not modelled here: the connection stays in zone 0"
        net.say(Step(skb.netns, "rule", says, skb.packet, skb.packet, None, skb.iif or skb.oif, hook))
    return CONTINUE


VERDICTS = {"ACCEPT": ACCEPT, "DROP": DROP, "RETURN": RETURN, "CHECKSUM": CONTINUE}
"""Targets that say the same of every packet."""
TARGETS: Mapping[str, Target] = {
    "REJECT": _reject,
    "DNAT": _dnat,
    "SNAT": _snat,
    "MASQUERADE": _masquerade,
    "REDIRECT": _redirect,
    "MARK": marks.mark,
    "CONNMARK": marks.connmark,
    "CT": _ct,
    "NOTRACK": _ct,
    "LOG": log.log,
    "NFLOG": log.nflog,
    "TCPMSS": mss.tcpmss,
    "SET": ipset.target,
}

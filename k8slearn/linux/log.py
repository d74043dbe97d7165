"""LOG and NFLOG: the kernel says what it sees.

``-j LOG`` writes one line about the packet into the kernel's log (``dmesg``), in the order of the headers
(`nf_log_syslog.c`)::

    IN=eth0 OUT=cni0 MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00 SRC=10.0.0.1 DST=10.0.0.2 LEN=60 TOS=0x00
    PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=40000 DPT=80 WINDOW=0 RES=0x00 SYN URGP=0

At each hook it names the devices that the hook knows (this was FORWARD; the MACs are the receiver's, the sender's and
the type), behind the ``--log-prefix`` that the rule gives.

``-j NFLOG`` hands it to a program that listens on a netlink group. Neither decides anything.

Left out: the IP identification and TCP's window (packets here have none, so the line says 0), sequence numbers and
options (``--log-tcp-sequence``, ``--log-tcp-options``, ``--log-ip-options``), the sender's user (``--log-uid``).
"""

from __future__ import annotations

from k8slearn.linux import icmp
from k8slearn.linux.iptables.names import PROTOCOLS
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Step

PROTO = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmp6": "ICMPv6"}
FLAGS = ("URG", "ACK", "PSH", "RST", "SYN", "FIN")


def log(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """``-j LOG``."""
    said = dict(rule.options)
    text = said.get("--log-prefix", "") + line(skb, hook, "--log-macdecode" in said)
    net.say(Step(skb.netns, "rule", f"kernel: {text}", skb.packet, skb.packet, None, skb.oif or skb.iif, hook))
    return ""


def nflog(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """``-j NFLOG``."""
    said = dict(rule.options)
    prefix = f" with the prefix {said['--nflog-prefix']!r}" if "--nflog-prefix" in said else ""
    says = f"a copy for who listens on nflog group {said.get('--nflog-group', '0')}{prefix}"
    net.say(Step(skb.netns, "rule", says, skb.packet, skb.packet, None, skb.oif or skb.iif, hook))
    return ""


def line(skb: Skb, hook: str, decode: bool = False) -> str:
    """The line without its prefix. At each hook the kernel knows the devices that the hook is about."""
    packet = skb.packet
    came = skb.iif if hook in ("PREROUTING", "INPUT", "FORWARD") else ""
    goes = skb.oif if hook in ("FORWARD", "OUTPUT", "POSTROUTING") else ""
    words = f"IN={came} OUT={goes}"
    words += f" PHYSIN={skb.physin}" if skb.physin else ""
    words += f" PHYSOUT={skb.physout}" if skb.physout and goes else ""
    words += f" {_mac(packet, decode)}" if came else ""
    words = f"{words} {_ip(packet)}{_transport(packet)}"
    return words + (f" MARK=0x{skb.mark:x}" if skb.mark else "")


def _mac(packet: Packet, decode: bool) -> str:
    kind = "86dd" if packet.family == "ip6" else "0800"
    if decode:
        return f"MACSRC={packet.eth_src} MACDST={packet.eth_dst} MACPROTO={kind}"
    return f"MAC={packet.eth_dst}:{packet.eth_src}:{kind[:2]}:{kind[2:]}" if packet.eth_src else "MAC="


def _ip(packet: Packet) -> str:
    ends = f"SRC={_whole(packet.src)} DST={_whole(packet.dst)} LEN={packet.size}"
    if packet.family == "ip6":
        return f"{ends} TC=0 HOPLIMIT={packet.ttl} FLOWLBL=0 "
    return f"{ends} TOS=0x00 PREC=0x00 TTL={packet.ttl} ID=0 {'DF ' if packet.df else ''}"


def _whole(address: str) -> str:
    """The kernel's log writes all eight groups of an IPv6 address."""
    if ":" not in address:
        return address
    head, _, tail = address.partition("::")
    groups = [head.split(":") if head else [], tail.split(":") if tail else []]
    middle = ["0"] * (8 - len(groups[0]) - len(groups[1])) if "::" in address else []
    return ":".join(f"{int(group, 16):04x}" for group in (*groups[0], *middle, *groups[1]))


def _transport(packet: Packet) -> str:
    if packet.proto == "tcp":
        said = packet.flags.split("-")
        flags = "".join(f"{flag} " for flag in FLAGS if flag in said)
        return f"PROTO=TCP SPT={packet.sport} DPT={packet.dport} WINDOW=0 RES=0x00 {flags}URGP=0"
    header = 40 if packet.family == "ip6" else 20
    if packet.proto == "udp":
        return f"PROTO=UDP SPT={packet.sport} DPT={packet.dport} LEN={packet.size - header}"
    if packet.proto in ("icmp", "icmp6"):
        return f"PROTO={PROTO[packet.proto]} {_icmp(packet)}"
    return f"PROTO={PROTOCOLS.get(packet.proto, packet.proto)}"


def _icmp(packet: Packet) -> str:
    known = icmp.NUMBERS6 if packet.proto == "icmp6" else icmp.NUMBERS
    kind, code = known.get(packet.flags, (0, 0))
    words = f"TYPE={kind} CODE={code}"
    if packet.flags in ("echo-request", "echo-reply"):
        return f"{words} ID={packet.sport} SEQ={packet.sequence}"
    if packet.inner is not None:
        words += f" [{_ip(packet.inner)}{_transport(packet.inner)} ]"
    return words + (f" MTU={packet.mtu}" if packet.mtu else "")

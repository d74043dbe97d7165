"""Why the kernel threw a packet away: its names for that, each in one sentence.

When Linux frees a packet that did not arrive it can say why (``kfree_skb_reason``); ``dropwatch`` and the tracepoint
``skb:kfree_skb`` show the name. Here a `Step` at which a packet ends carries that name as `Step.reason`, without
``SKB_DROP_REASON_``, and a recorded conversation counts it in the table ``drops``. Names are those of Linux 6.18
(`include/net/dropreason-core.h`); older kernels give some of these drops no name.

Left out: every name that no drop of ours has.
"""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "BRIDGE_INGRESS_STP_STATE": "The bridge port is in a state in which it takes no frames.",
    "CONSUMED": "A device was done with the packet: to the kernel that is no drop (SKB_CONSUMED).",
    "DEV_READY": "The device is not up.",
    "FRAG_REASM_TIMEOUT": "The other fragments of the packet did not come in time.",
    "IPV6_NDISC_HOP_LIMIT": "A neighbour's message had crossed a router, so it is not believed.",
    "IPV6_NDISC_NS_OTHERHOST": "A neighbour solicitation asked for an address that this machine does not have.",
    "IP_INADDRERRORS": "The packet is for somebody else and this machine does not forward.",
    "IP_INHDR": "The IP header is wrong, or its TTL is used up.",
    "IP_INNOROUTES": "A packet came in and no route leads to its destination.",
    "IP_LOCALNET": "A loopback address came in by a device where none may be.",
    "IP_LOCAL_SOURCE": "A packet came in from outside with an address of this machine as its source.",
    "IP_NOPROTO": "Nobody on this machine speaks the protocol inside the IP packet.",
    "IP_OUTNOROUTES": "A packet made here has no route to its destination.",
    "IP_RPFILTER": "The way back to the source leads through another device, and rp_filter asks for this one.",
    "LOCAL_MAC": "The frame's sender has this device's own MAC address.",
    "MAC_INVALID_SOURCE": "The frame's sender is a group address, which no sender can have.",
    "NEIGH_FAILED": "Nobody answered for the next hop's MAC address.",
    "NETFILTER_DROP": "A rule, a chain's policy or conntrack said so.",
    "NOT_SPECIFIED": "The kernel gives no reason here.",
    "NO_SOCKET": "No socket waits for the packet.",
    "NO_TX_TARGET": "The device knows nobody to send the frame to.",
    "OTHERHOST": "The frame is for another MAC address.",
    "PKT_TOO_BIG": "The packet is longer than the way out takes and must not be cut up.",
    "QDISC_DROP": "The device's queue refused the packet: its link is down, or the queue drops by order.",
    "RECURSION_LIMIT": "Devices sent by one another too many times over.",
    "TC_INGRESS": "A filter of tc threw the packet away where it came in.",
    "TUNNEL_TXINFO": "A tunnel device that is told where each packet goes was not told.",
    "VXLAN_ENTRY_EXISTS": "The frame's sender is written down, for good, on another machine.",
    "VXLAN_INVALID_HDR": "What came to the VXLAN port has no VXLAN header.",
    "VXLAN_VNI_NOT_FOUND": "No VXLAN device here has the packet's network number.",
}

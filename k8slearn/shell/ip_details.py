"""What ``ip -d link`` and ``bridge -d link`` add: the kind of a device and the settings of its kind.

Most of it is the kernel's own default, which nothing here can change; `hairpin` is the one that matters in this
network. Timers are shown as 0.00: the logical clock does not move while a bridge counts.

Left out: every kind but veth, bridge and loopback.
"""

from __future__ import annotations

from typing import Any

from k8slearn.journal import World
from k8slearn.linux.device import carrier, ports
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields

Detail = tuple[str, str, Any]
"""(word in the text, name in JSON, value)."""

QUEUES: tuple[Detail, ...] = (
    ("gso_max_size", "gso_max_size", 65536),
    ("gso_max_segs", "gso_max_segs", 65535),
    ("tso_max_size", "tso_max_size", 524280),
    ("tso_max_segs", "tso_max_segs", 65535),
    ("gro_max_size", "gro_max_size", 65536),
)


def port_state(world: World, netns: str, link: Link) -> str:
    """A bridge port's state: with spanning tree off it forwards as soon as it and its bridge are up."""
    bridge: Link | None = world.get((netns, "link", link.master))
    return "forwarding" if bridge is not None and bridge.up and carrier(world, netns, link) else "disabled"


def bridge_id(link: Link) -> str:
    """``8000.2:0:0:0:0:a``: priority and MAC, as iproute2 prints it."""
    return "8000." + ":".join(f"{int(byte, 16):x}" for byte in link.mac.split(":"))


def detail_fields(world: World, netns: str, link: Link, mode: bool) -> Fields:
    """What ``-d`` adds to a link."""
    port = bool(link.master)
    row: Fields = {"promiscuity": int(port) + int(link.promisc), "allmulti": int(port)}
    row |= {"min_mtu": 0, "max_mtu": 0} if link.kind == "loopback" else {"min_mtu": 68, "max_mtu": 65535}
    if link.kind != "loopback":
        kind: Fields = {"info_kind": link.kind}
        if link.kind == "bridge":
            kind["info_data"] = {name: value for _, name, value in _bridge(link)}
        if port:
            kind |= {"info_slave_kind": "bridge", "info_slave_data": {n: v for _, n, v in _port(world, netns, link)}}
        row["linkinfo"] = kind
    row |= {"inet6_addr_gen_mode": "eui64"} if mode else {}
    row |= {"num_tx_queues": 1, "num_rx_queues": 1}
    return row | {name: value for _, name, value in QUEUES}


def detail_text(row: Fields) -> str:
    """The same as text; it follows the MAC on the second line of a link."""
    if "promiscuity" not in row:
        return ""
    text = f" promiscuity {row['promiscuity']}  allmulti {row['allmulti']} "
    text += f"minmtu {row['min_mtu']} maxmtu {row['max_mtu']} "
    kind = row.get("linkinfo", {})
    if kind:
        text += f"\n    {kind['info_kind']} {_words(BRIDGE_WORDS, kind.get('info_data', {}))}"
    if "info_slave_kind" in kind:
        text += f"\n    bridge_slave {_words(PORT_WORDS, kind['info_slave_data'])}"
    text += "addrgenmode eui64 " if "inet6_addr_gen_mode" in row else ""
    text += f"numtxqueues {row['num_tx_queues']} numrxqueues {row['num_rx_queues']} "
    return text + "".join(f"{word} {row[name]} " for word, name, _ in QUEUES)


def _words(names: dict[str, str], values: Fields) -> str:
    return "".join(f"{names.get(name, name)} {_word(name, value)} " for name, value in values.items())


def _word(name: str, value: Any) -> str:
    if name == "multicast_router":
        return f"{value} mcast_fast_leave off"  # iproute2 says this one in text only
    if name.endswith("_timer"):
        return f"{value:>7.2f}"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _port(world: World, netns: str, link: Link) -> list[Detail]:
    """A bridge port's settings, in iproute2's order."""
    bridge: Link = world.get((netns, "link", link.master))
    number = [port.name for port in ports(world, netns, link.master)].index(link.name) + 1
    mine: Fields = {
        "state": port_state(world, netns, link),
        "hairpin": link.hairpin,
        "id": f"0x{0x8000 + number:x}",
        "no": f"0x{number:x}",
        "designated_port": 0x8000 + number,
        "bridge_id": bridge_id(bridge),
        "root_id": bridge_id(bridge),
    }
    return [(PORT_WORDS.get(name, name), name, mine.get(name, value)) for name, value in PORT.items()]


def _bridge(link: Link) -> list[Detail]:
    mine = {"bridge_id": bridge_id(link), "root_id": bridge_id(link)}
    return [(BRIDGE_WORDS.get(name, name), name, mine.get(name, value)) for name, value in BRIDGE.items()]


PORT: Fields = {
    **{
        "state": "",
        "priority": 32,
        "cost": 2,
        "hairpin": False,
        "guard": False,
        "root_block": False,
        "fastleave": False,
    },
    **{"learning": True, "flood": True, "id": "", "no": "", "designated_port": 0, "designated_cost": 0},
    **{"bridge_id": "", "root_id": "", "hold_timer": 0.0, "message_age_timer": 0.0, "forward_delay_timer": 0.0},
    **{"topology_change_ack": 0, "config_pending": 0, "proxy_arp": False, "proxy_arp_wifi": False},
    **{"multicast_router": 1, "mcast_flood": True, "bcast_flood": True, "mcast_to_unicast": False},
    **{"neigh_suppress": False, "group_fwd_mask": "0", "group_fwd_mask_str": "0x0", "vlan_tunnel": False},
    **{"isolated": False, "locked": False},
}
PORT_WORDS = {
    **{"id": "port_id", "no": "port_no", "bridge_id": "designated_bridge", "root_id": "designated_root"},
    **{"multicast_router": "mcast_router"},
}
BRIDGE: Fields = {
    **{"forward_delay": 1500, "hello_time": 200, "max_age": 2000, "ageing_time": 30000, "stp_state": 0},
    **{"priority": 32768, "vlan_filtering": 0, "bridge_id": "", "root_id": "", "root_port": 0, "root_path_cost": 0},
    **{"topology_change": 0, "topology_change_detected": 0, "hello_timer": 0.0, "tcn_timer": 0.0},
    **{"topology_change_timer": 0.0, "gc_timer": 0.0, "group_fwd_mask": "0", "group_addr": "01:80:c2:00:00:00"},
    **{"mcast_snooping": 1, "no_linklocal_learn": 0, "mcast_vlan_snooping": 0, "mcast_router": 1},
    **{"mcast_query_use_ifaddr": 0, "mcast_querier": 0, "mcast_hash_elasticity": 16, "mcast_hash_max": 4096},
    **{"mcast_last_member_cnt": 2, "mcast_startup_query_cnt": 2, "mcast_last_member_intvl": 100},
    **{"mcast_membership_intvl": 26000, "mcast_querier_intvl": 25500, "mcast_query_intvl": 12500},
    **{"mcast_query_response_intvl": 1000, "mcast_startup_query_intvl": 3124, "mcast_stats_enabled": 0},
    **{"mcast_igmp_version": 2, "mcast_mld_version": 1},
    **{"nf_call_iptables": 0, "nf_call_ip6tables": 0, "nf_call_arptables": 0},
}
BRIDGE_WORDS = {
    **{"root_id": "designated_root", "group_addr": "group_address"},
    **{"mcast_last_member_cnt": "mcast_last_member_count", "mcast_startup_query_cnt": "mcast_startup_query_count"},
    **{"mcast_last_member_intvl": "mcast_last_member_interval", "mcast_membership_intvl": "mcast_membership_interval"},
    **{"mcast_querier_intvl": "mcast_querier_interval", "mcast_query_intvl": "mcast_query_interval"},
    **{"mcast_query_response_intvl": "mcast_query_response_interval"},
    **{"mcast_startup_query_intvl": "mcast_startup_query_interval"},
}

"""``type bridge``: a switch's settings.

Most of what ``ip -d link`` shows is the kernel's own default. What a person may set is in `WORDS`. Timers are shown as
0.00: the logical clock does not move while a bridge counts. The VLAN settings show while ``vlan_filtering`` is 1.

Left out: spanning tree and multicast snooping (said when somebody asks for them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import link as operations
from k8slearn.linux import switch
from k8slearn.linux.device import ports
from k8slearn.linux.rows import Bridge, Link
from k8slearn.shell.iproute import Fields, Words, match, not_modelled, wrong
from k8slearn.shell.links.words import Change, Wanted, apply, free_name
from k8slearn.shell.process import Process

WORDS: Mapping[str, int] = {
    "forward_delay": 32,
    "hello_time": 32,
    "max_age": 32,
    "ageing_time": 32,
    "stp_state": 32,
    "priority": 16,
    "vlan_filtering": 8,
    "group_fwd_mask": 16,
    "vlan_default_pvid": 16,
    "mcast_snooping": 8,
    "no_linklocal_learn": 8,
    "nf_call_iptables": 8,
    "nf_call_ip6tables": 8,
    "nf_call_arptables": 8,
}
"""Setting -> how many bits it has, in the order in which iproute2 tries a shortened word."""
ELSEWHERE: tuple[str, ...] = (
    "vlan_protocol",
    "group_address",
    "fdb_flush",
    "vlan_stats_enabled",
    "vlan_stats_per_port",
)
ELSEWHERE += ("mcast_router", "mcast_querier", "mcast_query_use_ifaddr", "mcast_vlan_snooping", "mcast_stats_enabled")
ELSEWHERE += ("mcast_hash_elasticity", "mcast_hash_max", "mcast_igmp_version", "mcast_mld_version")


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add [NAME] type bridge [SETTING VALUE...]``."""
    settings = _settings(words)
    name = wanted.pop("name", "") or free_name(process, netns, "bridge")
    mtu, mac = int(wanted.pop("mtu", "1500")), wanted.pop("address", "")
    spec = switch.with_settings(Bridge(), settings)
    yield from operations.add(process.world, netns, name, "bridge", mtu, mac, spec=spec if settings else None)
    yield from apply(process, netns, name, wanted)


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type bridge SETTING VALUE...``."""
    settings = _settings(words)
    return lambda world, netns, dev: switch.set_bridge(world, netns, dev, settings)


def _settings(words: Words) -> dict[str, int]:
    found: dict[str, int] = {}
    while words:
        word = words.take()
        name = match(word, {name: name for name in WORDS})
        if name is None and match(word, dict.fromkeys(ELSEWHERE, True)):
            not_modelled(f"ip link type bridge {word}")
        if name is None:
            raise CommandError(f'bridge: unknown command "{word}"?\n', 1)
        found[name] = _value(name, words)
    return found


def _value(name: str, words: Words) -> int:
    complaint = f"invalid {'default pvid' if name == 'vlan_default_pvid' else name}"
    value = words.number(complaint, "\n")
    if not 0 <= value < 1 << WORDS[name]:
        wrong(str(value), complaint, "\n")
    return value


def bridge_id(link: Link) -> str:
    """``8000.2:0:0:0:0:a``: priority and MAC (none without a port), as iproute2 prints it."""
    return f"{switch.settings(link).priority:x}." + ":".join(f"{int(byte, 16):x}" for byte in link.mac.split(":"))


def fields(world: World, netns: str, link: Link) -> Fields:
    spec = switch.settings(link)
    found = {name: getattr(spec, name, value) for name, value in SHOWN.items()}
    own = bridge_id(link if ports(world, netns, link.name) else _without_ports(link))
    found |= {"bridge_id": own, "root_id": own, "group_fwd_mask": f"{spec.group_fwd_mask:#x}".replace("0x0", "0")}
    if not spec.vlan_filtering:
        return {name: value for name, value in found.items() if name not in VLAN}
    return found


def _without_ports(link: Link) -> Link:
    """br_stp_if.c: a bridge without ports has no MAC to be known by, unless somebody set one."""
    return link if link.pinned else Link(link.name, link.kind, operations.NO_MAC, link.index, spec=link.spec)


def text(fields: Fields) -> str:
    return words_of(TEXT, fields)


def words_of(names: Mapping[str, str], values: Fields) -> str:
    """``name value`` for each, as iproute2 writes numbers, switches and timers."""
    return "".join(f"{names.get(name, name)} {_word(name, value)} " for name, value in values.items())


def _word(name: str, value: Any) -> str:
    if name == "multicast_router":
        return f"{value} mcast_fast_leave off"  # iproute2 says this one in text only
    if name.endswith("_timer"):
        return f"{value:>7.2f}"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


SHOWN: Fields = {
    **{"forward_delay": 1500, "hello_time": 200, "max_age": 2000, "ageing_time": 30000, "stp_state": 0},
    **{"priority": 32768, "vlan_filtering": 0, "vlan_protocol": "802.1Q"},
    **{"bridge_id": "", "root_id": "", "root_port": 0, "root_path_cost": 0},
    **{"topology_change": 0, "topology_change_detected": 0, "hello_timer": 0.0, "tcn_timer": 0.0},
    **{"topology_change_timer": 0.0, "gc_timer": 0.0},
    **{"vlan_default_pvid": 1, "vlan_stats_enabled": 0, "vlan_stats_per_port": 0},
    **{"group_fwd_mask": "0", "group_addr": "01:80:c2:00:00:00"},
    **{"mcast_snooping": 1, "no_linklocal_learn": 0, "mcast_vlan_snooping": 0, "mcast_router": 1},
    **{"mcast_query_use_ifaddr": 0, "mcast_querier": 0, "mcast_hash_elasticity": 16, "mcast_hash_max": 4096},
    **{"mcast_last_member_cnt": 2, "mcast_startup_query_cnt": 2, "mcast_last_member_intvl": 100},
    **{"mcast_membership_intvl": 26000, "mcast_querier_intvl": 25500, "mcast_query_intvl": 12500},
    **{"mcast_query_response_intvl": 1000, "mcast_startup_query_intvl": 3124, "mcast_stats_enabled": 0},
    **{"mcast_igmp_version": 2, "mcast_mld_version": 1},
    **{"nf_call_iptables": 0, "nf_call_ip6tables": 0, "nf_call_arptables": 0},
}
"""What is shown, in iproute2's order, with the values of a bridge that nobody touched."""
VLAN = ("vlan_protocol", "vlan_default_pvid", "vlan_stats_enabled", "vlan_stats_per_port")
TEXT = {
    **{"root_id": "designated_root", "group_addr": "group_address"},
    **{"mcast_last_member_cnt": "mcast_last_member_count", "mcast_startup_query_cnt": "mcast_startup_query_count"},
    **{"mcast_last_member_intvl": "mcast_last_member_interval", "mcast_membership_intvl": "mcast_membership_interval"},
    **{"mcast_querier_intvl": "mcast_querier_interval", "mcast_query_intvl": "mcast_query_interval"},
    **{"mcast_query_response_intvl": "mcast_query_response_interval"},
    **{"mcast_startup_query_intvl": "mcast_startup_query_interval"},
}

"""``type bridge_slave``: the settings of a device as a bridge's port.

Left out: spanning tree's state, cost and priority, fast leave, multicast routers, proxy ARP, groups' masks.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import switch
from k8slearn.linux.device import carrier, lower_of
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields, Words, garbage, not_modelled
from k8slearn.shell.links.bridge import bridge_id, words_of
from k8slearn.shell.links.words import Change, Wanted
from k8slearn.shell.process import Process

ELSEWHERE: tuple[str, ...] = (
    "fdb_flush",
    "state",
    "priority",
    "cost",
    "guard",
    "root_block",
    "fastleave",
    "group_fwd_mask",
)
ELSEWHERE += ("proxy_arp_wifi", "mcast_router", "mcast_fast_leave", "mcast_to_unicast", "vlan_tunnel", "backup_port")
ELSEWHERE += ("neigh_suppress", "locked", "mab", "nobackup_port")


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """Nobody makes a port by itself: a device becomes one with ``master``."""
    garbage("type", "bridge_slave")


def change(process: Process, words: Words) -> Change:
    """``ip link set PORT type bridge_slave hairpin on ...``."""
    found: dict[str, bool] = {}
    while words:
        word = words.take()
        if word in ELSEWHERE:
            not_modelled(f"ip link set type bridge_slave {word}")
        if word not in switch.PORT_SETTINGS:
            raise CommandError(f'bridge_slave: unknown option "{word}"?\n', 1)
        value = words.take()
        if value not in ("on", "off"):
            raise CommandError(f'Error: argument of "{word}" must be one of "off", "on", not "{value}"\n', 234)
        found[word] = value == "on"
    return lambda world, netns, dev: switch.set_port(world, netns, dev, found)


def state(world: World, netns: str, link: Link) -> str:
    """A bridge port's state: with spanning tree off it forwards as soon as it and its bridge are up."""
    bridge: Link | None = world.get((netns, "link", link.master))
    return "forwarding" if bridge is not None and bridge.up and carrier(world, netns, link) else "disabled"


def cost(world: World, link: Link) -> int:
    """A VXLAN device is as fast as what it stands on; who knows no speed is slow."""
    below = lower_of(world, link)
    return DRIVERS[(below or link).kind].cost


def fields(world: World, netns: str, link: Link) -> Fields:
    bridge: Link = world.get((netns, "link", link.master))
    number = link.port.number
    mine: Fields = {
        "state": state(world, netns, link),
        "cost": cost(world, link),
        "id": f"0x{0x8000 + number:x}",
        "no": f"0x{number:x}",
        "designated_port": 0x8000 + number,
        "bridge_id": bridge_id(bridge),
        "root_id": bridge_id(bridge),
        **switch.port_settings(link),
    }
    return {name: mine.get(name, value) for name, value in SHOWN.items()}


def text(fields: Fields) -> str:
    return words_of(TEXT, fields)


SHOWN: Fields = {
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
"""What is shown, in iproute2's order, with the values of a port that nobody touched."""
TEXT = {
    **{"id": "port_id", "no": "port_no", "bridge_id": "designated_bridge", "root_id": "designated_root"},
    **{"multicast_router": "mcast_router"},
}

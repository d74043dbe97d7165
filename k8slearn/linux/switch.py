"""A bridge and each of its ports have switches (``ip link set br0 type bridge ...``, ``bridge link set ...``).

A bridge's own settings are its `Link.spec` (`rows.Bridge`; None: nobody touched them), a port's are `Link.port` and
`Link.hairpin`. A new port has these, and one that leaves its bridge forgets what it had (br_if.c: new_nbp, del_nbp)::

    hairpin       off
    learning      on
    flood         on
    mcast_flood   on
    bcast_flood   on
    isolated      off
    proxy_arp     off

Left out: spanning tree (``stp_state 1`` is refused), multicast snooping's settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World
from k8slearn.linux.device import find, refused
from k8slearn.linux.rows import Bridge, Link

DEFAULT = Bridge()
PORT_SETTINGS = ("hairpin", "learning", "flood", "mcast_flood", "bcast_flood", "isolated", "proxy_arp")
"""Switches of a port, in no order."""
SWITCHES = ("nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables", "vlan_filtering", "mcast_snooping")
SECONDS = {"hello_time": (100, 1000), "max_age": (600, 4000)}
"""Timers of spanning tree: the range that 802.1D allows, in hundredths of a second."""


def settings(link: Link) -> Bridge:
    """The settings of a bridge."""
    return link.spec if isinstance(link.spec, Bridge) else DEFAULT


def port_settings(link: Link) -> dict[str, bool]:
    """The switches of a port by name."""
    return {name: link.hairpin if name == "hairpin" else getattr(link.port, name) for name in PORT_SETTINGS}


def set_bridge(world: World, netns: str, name: str, wanted: Mapping[str, int]) -> Commands:
    """``ip link set NAME type bridge ageing_time 3000 ...``. Times are hundredths of a second."""
    link = find(world, netns, name)
    if link.kind != "bridge":
        if wanted:
            raise refused("Operation not supported")
        return
    spec = with_settings(settings(link), wanted)
    if spec != settings(link):
        yield Put((netns, "link", name), replace(link, spec=spec))


def with_settings(spec: Bridge, wanted: Mapping[str, int]) -> Bridge:
    """The settings with these changed. Raises CommandError where the kernel (or this model) says no."""
    if wanted.get("stp_state"):
        raise CommandError("ip link type bridge stp_state: spanning tree is not modelled here\n", 1)
    for name, (low, high) in SECONDS.items():
        if name in wanted and not low <= wanted[name] <= high:
            raise refused("Numerical result out of range")
    if wanted.get("group_fwd_mask", 0) & 0x7 or wanted.get("vlan_default_pvid", 0) >= 4095:
        raise refused("Invalid argument")
    wanted = {name: min(value, 1) if name in SWITCHES else value for name, value in wanted.items()}
    return replace(spec, **wanted)  # type: ignore[arg-type]


def set_port(world: World, netns: str, name: str, wanted: Mapping[str, bool]) -> Commands:
    """``bridge link set dev NAME learning off flood off ...``."""
    link = find(world, netns, name)
    if not link.master:
        if wanted:
            raise refused("Operation not supported")
        return
    port = link.port._replace(**{field: on for field, on in wanted.items() if field != "hairpin"})  # type: ignore[arg-type]
    changed = replace(link, port=port, hairpin=wanted.get("hairpin", link.hairpin))
    if changed != link:
        yield Put((netns, "link", name), changed)

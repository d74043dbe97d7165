"""Writing one setting can change others: ``sysctl -w``, with what the kernel does on its own because of it.

Writing ``net.ipv4.ip_forward``, ``net.ipv6.conf.all.forwarding`` or ``net.ipv6.conf.all.disable_ipv6`` writes
``default`` and every device too (devinet.c: inet_forward_change, addrconf.c: addrconf_fixup_forwarding). A later write
to ``conf.default`` is for devices still to come, and in IPv4 for those that never had an address (devinet.c:
devinet_copy_dflt_conf; not with ``forwarding``: devinet_sysctl_forward). ``disable_ipv6`` empties a link, or sets it
up again.

Left out: what `sysctl` leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux import addrconf, sysctl

LIMITS = {"net.ipv4.ip_default_ttl": (1, 255)}


def checked(name: str, value: str) -> str | None:
    """The value as the kernel would keep it, or None where it refuses."""
    parts = value.split()
    if not parts or not all(re.fullmatch(r"-?\d+", part) for part in parts):
        return None
    low, high = LIMITS.get(name, (-(2**31), 2**31 - 1))
    numbers = [int(part) for part in parts]
    if name.endswith("ip_local_port_range"):
        return "\t".join(map(str, numbers)) if len(numbers) == 2 and 1024 <= numbers[0] <= numbers[1] < 65536 else None
    if name.startswith("net.bridge."):
        return str(int(bool(numbers[0])))
    return str(numbers[0]) if low <= numbers[0] <= high else None


def write(world: World, netns: str, name: str, value: str) -> Commands:
    """``sysctl -w NAME=VALUE``, with what the kernel does on its own because of it. `name` must be a setting."""
    name = sysctl.SAME.get(name, name)
    tree, dev, setting = sysctl.place("net.ipv4.conf.all.forwarding" if name == "net.ipv4.ip_forward" else name)
    same = name == "net.ipv4.ip_forward" and sysctl.read(world, netns, name) == value
    yield from _kept(world, netns, tree, dev, setting)
    yield Put((netns, "sysctl", name), value)
    if dev == "all" and setting in sysctl.FROM_ALL and not same:
        for below in _written(world, netns, tree, setting):
            if below != name:
                yield Remove((netns, "sysctl", below))
    if tree == "net.ipv6.conf.":
        yield from addrconf.setting_changed(world, netns, dev, setting)


def _written(world: World, netns: str, tree: str, setting: str) -> list[str]:
    names = [str(name) for name in world.table(netns, "sysctl")]
    return [name for name in names if sysctl.place(name)[::2] == (tree, setting)]


def _kept(world: World, netns: str, tree: str, dev: str, setting: str) -> Iterator[Put]:
    """A write to ``conf.default`` leaves alone what is there already."""
    if dev != "default":
        return
    for link in list(world.table(netns, "link")):
        own = (netns, "sysctl", f"{tree}{link}.{setting}")
        kept = tree == "net.ipv6.conf." or setting == "forwarding" or _has_address(world, netns, str(link))
        if kept and world.get(own) is None:
            yield Put(own, sysctl.read(world, netns, own[2]))


def _has_address(world: World, netns: str, dev: str) -> bool:
    return any(row.dev == dev and ":" not in row.address for row in world.table(netns, "addr").values())

"""Each kind of device in the words of ``ip link``: a module for a kind, and this table of them.

``ip link add NAME type KIND WORDS`` and ``ip link set NAME type KIND WORDS`` hand the words after the kind to the
kind's module; ``ip -d link`` asks it for its settings, as JSON and as text. To teach ``ip link`` a kind, write a
module with the four functions of `Kind` and put it into `KINDS` (and its driver into `linux/drivers.py`).

Left out: kinds of device that are not in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from k8slearn.journal import Commands, World
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields, Words
from k8slearn.shell.links import bridge, bridge_slave, ipip, ipvlan, macvlan, plain, veth, vlan, vxlan, wireguard
from k8slearn.shell.links.words import Change, Wanted
from k8slearn.shell.process import Process


class Kind(Protocol):
    """What a module of this package knows of its kind."""

    def add(self, process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
        """``ip link add ... type KIND WORDS``: make the device in `netns`; `wanted` is what stood before ``type``."""

    def change(self, process: Process, words: Words) -> Change:
        """``ip link set DEV type KIND WORDS``: read the words; what comes back writes them."""

    def fields(self, world: World, netns: str, link: Link) -> Fields:
        """``linkinfo.info_data`` (or ``info_slave_data``) of ``ip -d -j link``."""

    def text(self, fields: Fields) -> str:
        """The same as ``ip -d link`` prints it after the kind's name."""


KINDS: Mapping[str, Kind] = {
    "veth": veth,
    "bridge": bridge,
    "vxlan": vxlan,
    "dummy": plain.of("dummy"),
    "ifb": plain.of("ifb"),
    "vlan": vlan,
    "macvlan": macvlan,
    "ipvlan": ipvlan,
    "ipip": ipip,
    "wireguard": wireguard,
}
HARDWARE: Mapping[str, Callable[[Link], Fields]] = {"ipip": ipip.hardware, "wireguard": wireguard.hardware}
"""Kind -> what stands where others have their MAC."""
SLAVES: Mapping[str, Kind] = {"bridge": bridge_slave}
"""Kind of a master -> what its ports have to say (``bridge_slave``)."""

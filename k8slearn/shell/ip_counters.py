"""``ip -s link``: how many packets and bytes a device has sent and received.

The rows are written by conversations that were recorded (`skb.Net.record`): table ``counter``, name
``("link", "eth0", "tx")``, value (packets, bytes). A device counts the Ethernet header or it does not, as its driver
does (`drivers.Driver.tx`). A flood is counted at the ports behind which somebody could answer, not at every port.

Left out: errors and drops (they stay 0), multicast.
"""

from __future__ import annotations

from k8slearn.journal import World
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields

LABELS = {"rx": ("bytes", "packets", "errors", "dropped", "missed", "mcast")}
LABELS["tx"] = (*LABELS["rx"][:4], "carrier", "collsns")
NAMES = {"rx": ("over_errors", "multicast"), "tx": ("carrier_errors", "collisions")}
WIDTHS = (10, 7, 6, 7, 7, 7)
"""The least width of each column (ipaddress.c: __print_link_stats)."""


def counters(world: World, netns: str, link: Link) -> Fields:
    """Both directions in iproute2's JSON form."""
    return {way: _counted(world, netns, link.name, way) for way in ("rx", "tx")}


def _counted(world: World, netns: str, dev: str, way: str) -> Fields:
    packets, size = world.get((netns, "counter", ("link", dev, way))) or (0, 0)
    row = {"bytes": size, "packets": packets, "errors": 0, "dropped": 0}
    return row | dict.fromkeys(NAMES[way], 0)


def counters_text(row: Fields) -> str:
    """The same as four lines; empty where nobody asked."""
    if "stats64" not in row:
        return ""
    both = [list(row["stats64"][way].values()) for way in ("rx", "tx")]
    widths = [max(least, *(len(str(way[n])) for way in both)) for n, least in enumerate(WIDTHS)]
    return "".join(_lines(way, values, widths) for way, values in zip(("rx", "tx"), both, strict=True))


def _lines(way: str, values: list[int], widths: list[int]) -> str:
    shorter = [widths[0] - 4, *widths[1:]]
    labels = " ".join(f"{label:>{width}}" for label, width in zip(LABELS[way], shorter, strict=True))
    numbers = "".join(f"{value:>{width}} " for value, width in zip(values, widths, strict=True))
    return f"    {way.upper()}: {labels}{'':>11}\n    {numbers}\n"

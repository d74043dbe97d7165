"""``arp -n``: the neighbour table as net-tools 2.10 prints it.

Left out: changing it (``ip neigh`` does), and names for addresses.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Neighbour
from k8slearn.shell.ip_neigh import neighbours
from k8slearn.shell.process import Process

HEAD = "Address                  HWtype  HWaddress           Flags Mask            Iface\n"


def arp(process: Process) -> Running:
    """Run ``arp [-n] [-i DEV] [ADDRESS]``."""
    yield from ()
    words = [word for word in process.argv if word not in ("-n", "-e", "--numeric")]
    dev = ""
    if words[:1] == ["-i"]:
        dev, words = (words[1] if len(words) > 1 else ""), words[2:]
    if any(word.startswith("-") for word in words):
        raise CommandError(f"arp: {words[0]}: not modelled here; `ip neigh` reads and writes the same table\n", 1)
    rows = neighbours(process, dev, words[0] if words else "")
    if not rows:
        return Result(f"{words[0]} ({words[0]}) -- no entry\n") if words else Result()
    return Result(HEAD + "".join(map(_line, rows)))


def _line(row: Neighbour) -> str:
    if not row.mac:
        return f"{row.address:<24} {'':7} {'(incomplete)':<37} {row.dev}\n"
    flags = "CM" if row.state == "PERMANENT" else "C"
    return f"{row.address:<24} {'ether':<7} {row.mac:<19} {flags:<21} {row.dev}\n"

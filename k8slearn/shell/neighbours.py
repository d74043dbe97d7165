"""``arp``: the neighbour table of IPv4 as net-tools 2.10 prints and changes it.

It asks through older doors than ``ip neigh`` (/proc/net/arp, ioctls), so it knows less: no states but complete (``C``)
or not, permanent (``M``), and answered for others (``P``). Names are not looked up: ``-n`` changes nothing.

Left out: entries from a file (``-f``), ``pub`` and ``-D``, other hardware and address families.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.linux import fib, ip, neigh
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Neighbour
from k8slearn.shell.ip_neigh import neighbours
from k8slearn.shell.links.words import MAC
from k8slearn.shell.process import Process

HEAD = "Address                  HWtype  HWaddress           Flags Mask            Iface\n"
LONG = {"--numeric": "n", "--all": "a", "--verbose": "v", "--device": "i", "--delete": "d", "--set": "s"}


@dataclass(slots=True)
class Asked:
    """A command line."""

    flags: set[str] = field(default_factory=set)
    dev: str = ""
    words: list[str] = field(default_factory=list)


def arp(process: Process) -> Running:
    """Run ``arp [-aenv] [-i DEV] [ADDRESS]``, ``arp -d ADDRESS``, ``arp -s ADDRESS MAC [temp]``."""
    asked = _read(list(process.argv))
    if "d" in asked.flags:
        return (yield from _delete(process, asked))
    if "s" in asked.flags:
        return (yield from _set(process, asked))
    return _show(process, asked)


def _read(words: list[str]) -> Asked:
    asked = Asked()
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            asked.words.append(word)
            continue
        letters = LONG.get(word, word[1:])
        if not set(letters) <= set("aenvids"):
            raise CommandError(f"arp: {word}: not modelled here; `ip neigh` reads and writes the same table\n", 1)
        asked.flags |= set(letters)
        if letters.endswith("i"):
            asked.dev = words.pop(0) if words else ""
    return asked


# --- show ------------------------------------------------------------------------------------------


def _show(process: Process, asked: Asked) -> Result:
    name = asked.words[0] if asked.words else ""
    every = [*neighbours(process, family="4"), *neighbours(process, family="4", table="proxy")]
    found = [row for row in every if asked.dev in ("", row.dev) and name in ("", row.address)]
    counts = f"Entries: {len(every)}\tSkipped: {len(every) - len(found)}\tFound: {len(found)}\n"
    verbose = counts if "v" in asked.flags else ""
    if "a" in asked.flags and found:
        return Result("".join(map(_bsd, found)) + verbose)
    if found:
        return Result(HEAD + "".join(map(_line, found)) + verbose)
    if name and "a" not in asked.flags:
        return Result(f"{name} ({name}) -- no entry\n" + verbose)
    nothing = f"arp: in {len(every)} entries no match found.\n" if asked.dev or name else ""
    return Result(verbose + nothing)


def _line(row: Neighbour) -> str:
    if row.state == "PROXY":
        return f"{row.address:<24} {'*':<7} {'<from_interface>':<19} {'MP':<21} {row.dev}\n"
    if not row.mac:
        return f"{row.address:<24} {'':7} {'(incomplete)':<37} {row.dev}\n"
    flags = "CM" if row.state == "PERMANENT" else "C"
    return f"{row.address:<24} {'ether':<7} {row.mac:<19} {flags:<21} {row.dev}\n"


def _bsd(row: Neighbour) -> str:
    """``? (10.0.0.1) at 02:00:00:00:00:01 [ether] PERM on eth0``."""
    if row.state == "PROXY":
        return f"? ({row.address}) at <from_interface> PERM PUB on {row.dev}\n"
    words = f"{row.mac} [ether]{' PERM' if row.state == 'PERMANENT' else ''}" if row.mac else "<incomplete>"
    return f"? ({row.address}) at {words} on {row.dev}\n"


# --- change ----------------------------------------------------------------------------------------


def _device(process: Process, asked: Asked, address: str, request: str) -> str:
    """The device that was named, else that of the route to the address (`arp.c: arp_req_dev`)."""
    found = fib.lookup(process.world, process.netns, address)
    if not asked.dev and found.kind != "unicast":
        raise CommandError(f"{request}: Network is unreachable\n", 255)
    return asked.dev or found.dev


def _delete(process: Process, asked: Asked) -> Running:
    """`arp.c: arp_req_delete`."""
    if not asked.words:
        raise CommandError("arp: need host name\n", 255)
    address = _address(asked.words[0])
    dev = _device(process, asked, address, "SIOCDARP(dontpub)")
    known: Neighbour | None = process.world.get(neigh.key(process.netns, dev, address))
    if known is None:
        return Result(f"No ARP entry for {asked.words[0]}\n", "", 255)
    yield from neigh.delete(process.world, process.netns, dev, address)
    return Result()


def _set(process: Process, asked: Asked) -> Running:
    """`arp.c: arp_req_set`."""
    if not asked.words:
        raise CommandError("arp: need host name\n", 255)
    if len(asked.words) < 2:
        raise CommandError("arp: need hardware address\n", 255)
    address, mac, *rest = asked.words
    address = _address(address)
    if MAC.fullmatch(mac) is None:
        raise CommandError("arp: invalid hardware address\n", 255)
    if set(rest) - {"temp"}:
        raise CommandError(f"arp: {rest[0]}: not modelled here; try `ip neigh add proxy`\n", 1)
    dev, state = _device(process, asked, address, "SIOCSARP"), "REACHABLE" if rest else "PERMANENT"
    yield from neigh.replace(process.world, process.netns, dev, address, mac, state)
    return Result()


def _address(word: str) -> str:
    try:
        if ":" not in word:
            return ip.canonical(word)
    except ValueError:
        pass
    raise CommandError(f"{word}: Unknown host\n", 255)

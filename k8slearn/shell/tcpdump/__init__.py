"""``tcpdump -ni DEV``: what crossed a link, on any machine and in any namespace (4.99).

A real tcpdump waits beside the traffic. Here time stands still while a command runs, so it shows what has crossed the
device in the last command that sent packets (``curl``, ``ping``, `cluster.send`): run that first, then look from as
many places as you like. ``-w FILE`` keeps the packets as a pcap file, ``-r FILE`` reads one back; the file's bytes are
what the real tcpdump and Wireshark read (`linux/wire.py`), and ``tests/shell/test_tcpdump.py`` holds our lines against
the real tool's reading of them.

Packets of one moment are 10 microseconds apart, in the order in which they crossed.

Left out: ``-v`` and hex dumps, snap lengths, name look-ups (``-n`` is always on), what applications say (DNS, HTTP
beyond its first line), filters beyond `filters.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from k8slearn.errors import CommandError
from k8slearn.journal import Put, World
from k8slearn.linux import fib, socket
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Link
from k8slearn.linux.wire import COOKED, ETHERNET, RAW, Capture, Wire
from k8slearn.shell.process import Process
from k8slearn.shell.tcpdump import filters, text
from k8slearn.trace import Frame

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
APART = 1e-5
"""Seconds between two frames of one moment."""
NAMES = {ETHERNET: "EN10MB (Ethernet)", RAW: "RAW (Raw IP)", COOKED: "LINUX_SLL2 (Linux cooked v2)"}
BARE = ("ipip", "wireguard")
"""Kinds of devices without an Ethernet header."""
FLAGS, VALUES = "nelpqtUSK", "icwrs"
USAGE = "Usage: tcpdump [-elnpt] [-i interface] [-c count] [-w file] [-r file] [expression]\n"
VERBOSE = "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n"
STILL = "tcpdump: (time stands still while a command runs here: these are the packets of the last one that sent any)\n"


@dataclass(slots=True)
class Asked:
    """A command line."""

    flags: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def program(process: Process) -> Running:
    """Run ``tcpdump``."""
    asked = _read(list(process.argv))
    if "D" in asked.flags:
        return Result("".join(_devices(process)))
    wanted = filters.parse(asked.words)
    capture = _from_file(process, asked.told["r"]) if "r" in asked.told else _captured(process, asked)
    frames = [frame for frame in capture.frames if wanted(frame.packet)]
    frames = frames[: int(asked.told.get("c") or len(frames))]
    capture = replace(capture, frames=tuple(frames))
    head = _head(asked, capture)
    if "w" in asked.told:
        yield Put((process.files, "file", _path(asked.told["w"])), capture)
        return Result("", head + _counted(len(frames)))
    shown = "".join(f"{line}\n" for line in lines(capture, frozenset(asked.flags)))
    return Result(shown, head + ("" if "r" in asked.told else _counted(len(frames))))


def lines(capture: Capture, flags: frozenset[str] = frozenset()) -> Iterator[str]:
    """The capture as tcpdump prints it; `flags` are its letters: ``e`` link-layer headers, ``t`` no times."""
    wire, say = Wire(), text.Text(link_layer="e" in flags, flows={})
    number = {dev: n for n, dev in enumerate(dict.fromkeys(f.dev for f in capture.frames), 1)}
    for frame in capture.frames:
        when = "" if "t" in flags else f"{EPOCH + timedelta(seconds=frame.time):%H:%M:%S.%f} "
        device = f"{frame.dev:<5} {text.DIRECTIONS[text.direction(frame)]:<3} " if capture.linktype == COOKED else ""
        index = number[frame.dev] if capture.linktype == COOKED else 0
        yield f"{when}{device}{say.line(frame, wire, index)}"


def of(frames: tuple[Frame, ...], netns: str, link: Link | None, ports: frozenset[str] = frozenset()) -> Capture:
    """What a capture on this device (None: on all) of a namespace has seen of these frames.

    `ports`: those of a bridge that is promiscuous while it is listened on. It then takes up whatever comes in by them
    (br_input.c: br_handle_frame_finish)."""
    mine = [f for n, f in enumerate(frames) for f in (replace_time(n, f),) if f.netns == netns]
    if link is not None:
        mine = list(_on(mine, link.name, ports))
    linktype = COOKED if link is None else RAW if link.kind in BARE else ETHERNET
    return Capture(tuple(mine), linktype, link.name if link is not None else "any")


def _on(frames: list[Frame], dev: str, ports: frozenset[str]) -> Iterator[Frame]:
    """The frames of one device; of a promiscuous bridge those, too, that it only passes on, each once."""
    for number, frame in enumerate(frames):
        if frame.dev == dev:
            yield frame
        elif frame.dev in ports and frame.direction == "in":
            rest = takewhile(lambda f: not (f.dev in ports and f.direction == "in"), frames[number + 1 :])
            if not any(f.dev == dev and f.direction == "in" for f in rest):
                yield frame._replace(dev=dev)


def ports_of(world: World, netns: str, link: Link | None) -> frozenset[str]:
    """The ports of a bridge; none, where it is none."""
    links = world.table(netns, "link").values() if link is not None and link.kind == "bridge" else ()
    return frozenset(row.name for row in links if link is not None and row.master == link.name)


def replace_time(number: int, frame: Frame) -> Frame:
    return frame._replace(time=frame.time + number * APART)


def _read(words: list[str]) -> Asked:
    asked = Asked()
    while words:
        word = words.pop(0)
        found = re.fullmatch(r"-([A-Za-z#]+)(.*)", word, re.DOTALL)
        if found is None or asked.words:
            asked.words.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in VALUES:
                if not letters and not words:
                    raise CommandError(f"tcpdump: option requires an argument -- '{letter}'\n{USAGE}", 1)
                asked.told[letter], letters = letters or words.pop(0), ""
            elif letter in FLAGS + "D":
                asked.flags.add(letter)
            elif letter in "vxXA":
                raise CommandError(f"tcpdump: -{letter} is not modelled here; -w FILE keeps what Wireshark shows\n", 1)
            else:
                raise CommandError(f"tcpdump: invalid option -- '{letter}'\n{USAGE}", 1)
    if "c" in asked.told and not (asked.told["c"].isdecimal() and int(asked.told["c"]) > 0):
        raise CommandError(f"tcpdump: invalid packet count {asked.told['c']}\n", 1)
    return asked


def _device(process: Process, asked: Asked) -> Link | None:
    name = asked.told.get("i", "")
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    if not name:
        usual = [link for link in links if link.up and link.kind != "loopback"] or links
        return usual[0] if usual else None
    if name == "any":
        return None
    link = fib.link(process.world, process.netns, name)
    if link is None:
        raise CommandError(f"tcpdump: {name}: No such device exists\n(No such device exists)\n", 1)
    return link


def _captured(process: Process, asked: Asked) -> Capture:
    frames: tuple[Frame, ...] = process.world.get(socket.CAPTURED) or ()
    link = _device(process, asked)
    ports = frozenset[str]() if "p" in asked.flags else ports_of(process.world, process.netns, link)
    return of(frames, process.netns, link, ports)


def _from_file(process: Process, name: str) -> Capture:
    found = process.world.get((process.files, "file", _path(name)))
    if found is None:
        raise CommandError(f"tcpdump: {name}: No such file or directory\n", 1)
    if not isinstance(found, Capture):
        raise CommandError(f"tcpdump: unknown file format: {name} is no capture of this tcpdump's\n", 1)
    return found


def _path(name: str) -> str:
    return name if name.startswith("/") else f"/{name}"


def _head(asked: Asked, capture: Capture) -> str:
    kind = NAMES[capture.linktype]
    if "r" in asked.told:
        return f"reading from file {asked.told['r']}, link-type {kind}, snapshot length 262144\n"
    words = f"listening on {capture.device}, link-type {kind}, snapshot length 262144 bytes\n"
    return STILL + (f"tcpdump: {words}" if "w" in asked.told else VERBOSE + words)


def _counted(count: int) -> str:
    packets = "packet" if count == 1 else "packets"
    return f"{count} {packets} captured\n{count} {packets} received by filter\n0 packets dropped by kernel\n"


def _devices(process: Process) -> Iterator[str]:
    """``-D``: where one can listen."""
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    names = [*(link.name for link in links if link.kind != "loopback"), "any", "lo"]
    yield from (f"{n}.{name}\n" for n, name in enumerate(names, 1))

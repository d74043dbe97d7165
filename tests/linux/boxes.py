"""Real machines for tests: network namespaces of this kernel, and sockets made inside them."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from k8slearn.journal import Put, World, drive
from k8slearn.linux import link
from k8slearn.linux import socket as attempts
from k8slearn.linux.rows import Netns, Socket
from k8slearn.shell import run

MACHINE = "node:r"
LISTENING = (("tcp", 80), ("tcp", 8080), ("udp", 53))
ROUTER = """
r: ip link set lo up
r: ip link add c0 type veth peer name eth0 netns {c}
r: ip link add s0 type veth peer name eth0 netns {s}
r: ip addr add 10.1.0.1/24 dev c0
r: ip addr add 10.2.0.1/24 dev s0
r: ip link set c0 up
r: ip link set s0 up
c: ip addr add 10.1.0.2/24 dev eth0
s: ip addr add 10.2.0.2/24 dev eth0
c: ip link set eth0 up
s: ip link set eth0 up
c: ip route add default via 10.1.0.1
s: ip route add default via 10.2.0.1
r: sysctl -qw net.ipv4.ip_forward=1
r: sysctl -qw net.ipv4.icmp_ratelimit=0
r: sysctl -qw net.ipv4.icmp_ratemask=0
c: iptables -t raw -A OUTPUT -p tcp --tcp-flags RST RST -m mark --mark 0 -j DROP
s: iptables -t raw -A OUTPUT -p tcp --tcp-flags RST RST -m mark --mark 0 -j DROP
r: iptables -A FORWARD -m conntrack --ctstate UNTRACKED -j ACCEPT
"""
NEEDS = [tool for tool in ("ip", "iptables", "ip6tables", "conntrack") if shutil.which(tool) is None]
CLONE_NEWNET = 0x40000000
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


class Boxes:
    """Namespaces by short names; real names carry the process number, so that two runs do not meet."""

    def __init__(self, *names: str) -> None:
        self.real = {name: f"sockets-{name}-{os.getpid()}" for name in names}
        for name in self.real.values():
            subprocess.run(["ip", "netns", "add", name], check=True)

    def run(self, where: str, line: str) -> subprocess.CompletedProcess[str]:
        command = ["ip", "netns", "exec", self.real[where], *line.split()]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def script(self, lines: str) -> None:
        """``NAME: command`` in each line; ``{NAME}`` in it is the namespace's real name."""
        for line in filter(None, map(str.strip, lines.splitlines())):
            where, _, command = line.partition(": ")
            done = self.run(where, command.format(**self.real))
            assert done.returncode == 0, (line, done.stderr)

    def inside(self, where: str, work: Any) -> Any:
        """What `work()` returns, called inside a namespace."""
        found: list[Any] = []

        def body() -> None:
            fd = os.open(f"/run/netns/{self.real[where]}", os.O_RDONLY)
            assert ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) == 0
            os.close(fd)
            try:
                found.append(work())
            except OSError as error:
                found.append(error)

        thread = Thread(target=body)
        thread.start()
        thread.join()
        return found[0]

    def socket(self, where: str, *kind: int) -> socket.socket:
        made: socket.socket = self.inside(where, lambda: socket.socket(*kind))
        return made

    def close(self) -> None:
        for name in self.real.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


@contextmanager
def boxes(*names: str) -> Iterator[Boxes]:
    """Namespaces for one test; skips where that is not possible."""
    if NEEDS or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(NEEDS) or 'ip'}")
    made = Boxes(*names)
    try:
        yield made
    finally:
        made.close()


def entries(there: Boxes, where: str, options: str = "") -> list[str]:
    """What ``conntrack -L`` lists, sorted; seconds that have just begun to run are made whole again."""
    lines = there.run(where, f"conntrack -L {options}").stdout.splitlines()
    return sorted(re.sub(r"^(\w+ +\d+) (\d+) ", _whole, re.sub(r"use=\d+", "use=1", line)) for line in lines)


def _whole(found: re.Match[str]) -> str:
    seconds = int(found[2])
    return f"{found[1]} {-(-seconds // 5) * 5 if seconds > 3 else 3} "


CHUNKS = {
    **{"DATA": 0, "INIT": 1, "INIT-ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT-ACK": 5, "ABORT": 6, "SHUTDOWN": 7},
    **{"SHUTDOWN-ACK": 8, "COOKIE-ECHO": 10, "COOKIE-ACK": 11, "SHUTDOWN-COMPLETE": 14},
}


def sctp_packet(src: str, dst: str, sport: int, dport: int, chunk: str) -> bytes:
    """An IPv4 packet with one SCTP chunk (RFC 9260, section 3); every tag is 1, and an INIT's own tag is 0."""
    body = struct.pack("!IIHHI", 1, 65535, 1, 1, 1) if chunk.startswith("INIT") else bytes(16)
    sctp = struct.pack("!HHII", sport, dport, int(chunk != "INIT"), 0)
    sctp += struct.pack("!BBH", CHUNKS[chunk], 0, 4 + len(body)) + body
    addresses = socket.inet_aton(src) + socket.inet_aton(dst)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(sctp), 0, 0x4000, 64, 132, 0) + addresses + sctp


def tcp_packet(src: str, dst: str, sport: int, dport: int, flags: str, seq: int, ack: int) -> bytes:
    """An IPv4 packet with a bare TCP header; the kernel fills in the IP checksum."""
    bits = sum(FLAGS[letter] for letter in flags)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq, ack if "A" in flags else 0, 5 << 4, bits, 65535, 0, 0)
    addresses = socket.inet_aton(src) + socket.inet_aton(dst)
    whole = addresses + struct.pack("!BBH", 0, 6, len(tcp)) + tcp
    total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    tcp = tcp[:16] + struct.pack("!H", ~total & 0xFFFF) + tcp[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + addresses + tcp


class Rows:
    """The router of `ROUTER` as rows: `c` asks, `r` forwards, `s` answers."""

    def __init__(self, ipv6: bool = False) -> None:
        self.world = World()
        self.world.apply(Put((MACHINE, "netns", ""), Netns("r", MACHINE, ipv6)))
        for command in link.add_loopback(MACHINE):
            self.world.apply(command)
        for line in ("ip netns add c", "ip netns add s"):
            self.run(line)
        for line in filter(None, ROUTER.splitlines()):
            where, _, command = line.format(c="c", s="s").partition(": ")
            if not command.startswith("iptables") and "icmp_rate" not in command:
                assert self.run(command, where).exit_code == 0, command
        for proto, port in LISTENING:
            row = Socket(proto, "0.0.0.0", port, "python3", "s")
            self.world.apply(Put((f"{MACHINE}/s", "socket", (proto, "0.0.0.0", port)), row))

    def run(self, line: str, where: str = "r") -> Any:
        command = line.replace("sysctl -qw", "sysctl -w")
        return drive(run(self.world, MACHINE + {"r": ""}.get(where, f"/{where}"), command), self.world.apply)

    def ask(self, proto: str, dst: str, port: int, sport: int, page: str = "/") -> str:
        talk = attempts.connect(self.world, f"{MACHINE}/c", dst, port, proto, sport=sport, path=page, recording=True)
        return drive(talk, self.world.apply).ending.outcome

    def lines(self, options: str = "") -> list[str]:
        return sorted(self.run(f"conntrack -L {options}").stdout.splitlines())

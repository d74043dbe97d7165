"""The same boxes twice: namespaces of this kernel and rows of a world, told the same command lines and probed alike.

`Real` lives in a mount and network namespace of its own, which goes with its process. The test's own thread steps into
a namespace to open a socket there; a socket stays where it was made.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from k8slearn.journal import Put, World, drive
from k8slearn.linux import addr, icmp, link, neigh, route, setting
from k8slearn.linux import socket as sockets
from k8slearn.linux.rows import Neighbour, Netns, Route, Socket
from k8slearn.shell import run
from k8slearn.trace import Attempt

MACHINE = "node:box"
TOOLS = ("ip", "unshare", "nsenter", "sysctl", "iptables", "ip6tables")
SETTINGS = (
    "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 net.ipv4.icmp_ratemask=0 "
    "net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0 "
    "net.ipv6.icmp.ratelimit=0 net.ipv6.conf.default.router_solicitations=0 "
    "net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.rp_filter=0"
)
START = f"mkdir -p /run/netns && mount -t tmpfs none /run/netns && mount -t sysfs none /sys && sysctl -qw {SETTINGS}"
READY = "echo ready; exec sleep 600"
HURRY = """for n in $(ip netns | cut -d' ' -f1); do
ip netns exec $n sh -c 'for f in /proc/sys/net/ipv*/neigh/*/retrans_time_ms; do echo 80 > $f; done;
for f in /proc/sys/net/ipv*/neigh/*/proxy_delay; do echo 2 > $f; done'
done"""
"""A neighbour who does not answer is given up after 0.24 s instead of 3, a proxy answers within 0.02 s, not 0.8."""
PATIENCE = 0.4
LIBC = ctypes.CDLL(None, use_errno=True)


class Outcome(NamedTuple):
    """What a probe came to, as its client sees it."""

    outcome: str
    answer: str = ""
    """For an answer: the client's address as the server saw it."""
    errors: tuple[tuple[str, str, int], ...] = ()
    """The ICMP errors that came in at the client's machine: (from, message, mtu)."""


class Real:
    """Boxes made of this kernel's namespaces."""

    def __init__(self, lines: str) -> None:
        self.process = subprocess.Popen(
            ["unshare", "-m", "-n", "-u", "--propagation", "private", "sh", "-c", f"{START}; {READY}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.servers: list[socket.socket] = []
        self.do("\n".join(_with_settings(lines)))
        self.do(HURRY)

    def do(self, lines: str) -> None:
        inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-u", "sh", "-ec", lines]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (lines, done.stderr)

    def say(self, line: str) -> str:
        inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-u", "sh", "-c", line]
        return subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False).stdout

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """This thread stands in the namespace (empty: the machine's own)."""
        place = f"/proc/{self.process.pid}/root/run/netns/{name}" if name else f"/proc/{self.process.pid}/ns/net"
        there = os.open(place, os.O_RDONLY)
        assert LIBC.setns(there, 0) == 0
        os.close(there)
        try:
            yield
        finally:
            assert LIBC.setns(self.home, 0) == 0

    def serve(self, name: str, proto: str, port: int, address: str = "") -> None:
        """A listener that answers with the client's address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.inside(name):
            server = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        self.servers.append(server)
        if proto == "tcp":
            server.listen(16)
        threading.Thread(target=_answer_tcp if proto == "tcp" else _answer_udp, args=(server,), daemon=True).start()

    def counters(self, name: str) -> dict[str, int]:
        """What ``nstat -az`` would print."""
        with self.inside(name):
            found = {}
            for file in ("snmp", "netstat"):
                lines = Path(f"/proc/thread-self/net/{file}").read_text().splitlines()
                for names, values in zip(lines[::2], lines[1::2], strict=True):
                    group, *words = names.split()
                    prefix = group.rstrip(":")
                    found |= {prefix + w: int(v) for w, v in zip(words, values.split()[1:], strict=True)}
            for line in Path("/proc/thread-self/net/snmp6").read_text().splitlines():
                word, value = line.split()
                found[word] = int(value)
        return found

    def probe(
        self, name: str, dst: str, proto: str = "icmp", port: int = 0, size: int = 0, pmtu: str = "want", ttl: int = 0,
        src: str = "", patience: float = PATIENCE,
    ) -> Outcome:  # fmt: skip
        six = ":" in dst
        family = socket.AF_INET6 if six else socket.AF_INET
        with self.inside(name):
            kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "icmp": socket.SOCK_RAW}[proto]
            number = (socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) if proto == "icmp" else 0
            client = socket.socket(family, kind, number)
            spy = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        spy.setblocking(False)
        client.settimeout(patience)
        level, option = (socket.IPPROTO_IPV6, 23) if six else (socket.IPPROTO_IP, 10)
        client.setsockopt(level, option, {"dont": 0, "want": 1, "do": 2}[pmtu])
        if ttl:
            client.setsockopt(level, socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL, ttl)
        if proto == "icmp":
            client.setsockopt(level, 25 if six else 11, 1)
        if src:
            client.bind((src, 0))
        try:
            said = _ask(client, dst, proto, port, size)
            found = Outcome("connected", said)
        except TimeoutError:
            found = Outcome("timeout")
        except OSError as error:
            refused = error.errno == errno.ECONNREFUSED
            found = Outcome("refused", "") if refused else Outcome("unreachable", os.strerror(error.errno or 0))
        finally:
            client.close()
        return found._replace(errors=_errors(spy, six))

    def close(self) -> None:
        for server in self.servers:
            server.close()
        os.close(self.home)
        self.process.kill()
        self.process.wait()


def _with_settings(lines: str) -> list[str]:
    out = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        out.append(line)
        if line.startswith("ip netns add "):
            out.append(f"ip netns exec {line.split()[3]} sysctl -qw {SETTINGS}")
    return out


def _ask(client: socket.socket, dst: str, proto: str, port: int, size: int) -> str:
    if proto == "icmp":
        six = client.family == socket.AF_INET6
        client.connect((dst, 0))
        body = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0x5555, 1) + bytes(max(0, size - (48 if six else 28)))
        client.send(body if six else body[:2] + struct.pack("!H", _checksum(body)) + body[4:])
        until = time.monotonic() + (client.gettimeout() or 0)
        while time.monotonic() < until:
            data = client.recv(65536)
            kind = data[0] if six else data[20]
            if kind == (129 if six else 0):
                return ""
        raise TimeoutError
    client.connect((dst, port))
    client.send(bytes(max(1, size - (40 if ":" in dst else 20) - 8)) if proto == "udp" else b"x")
    return client.recv(100).decode()


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


NAMES = {number: name for name, number in icmp.NUMBERS.items()}
NAMES6 = {number: name for name, number in icmp.NUMBERS6.items()}


def _errors(spy: socket.socket, six: bool) -> tuple[tuple[str, str, int], ...]:
    found = []
    while True:
        try:
            data, (address, *_) = spy.recvfrom(65536)
        except BlockingIOError:
            spy.close()
            return tuple(dict.fromkeys(found))
        body = data if six else data[20:]
        kind, code = body[0], body[1]
        if (six and kind < 128) or (not six and kind in (3, 11, 12)):
            mtu = struct.unpack("!I", body[4:8])[0] if (kind == 2 and six) or (kind, code) == (3, 4) else 0
            found.append((address, (NAMES6 if six else NAMES).get((kind, code), f"{kind}/{code}"), mtu))


def _answer_tcp(server: socket.socket) -> None:
    while True:
        try:
            end, address = server.accept()
            end.recv(100)
            end.send(address[0].encode())
            end.close()
        except OSError:
            return


def _answer_udp(server: socket.socket) -> None:
    while True:
        try:
            _, address = server.recvfrom(65536)
            server.sendto(address[0].encode(), address)
        except OSError:
            if server.fileno() < 0:
                return


@dataclass
class Ours:
    """The same boxes as rows of a world."""

    lines: str
    world: World = field(default_factory=World)
    attempt: Attempt | None = None

    def __post_init__(self) -> None:
        self.world.apply(Put((MACHINE, "netns", ""), Netns("box", MACHINE, ipv6=True)))
        for command in link.add_loopback(MACHINE):
            self.world.apply(command)
        for pair in SETTINGS.split():
            if "neigh" not in pair:
                self.world.apply(Put((MACHINE, "sysctl", pair.partition("=")[0]), pair.partition("=")[2]))
        self.do(self.lines)

    def do(self, lines: str) -> None:
        for line in filter(None, map(str.strip, lines.splitlines())):
            six = SIX.match(line)
            if six is not None and ("proxy" in line or SIX_ADDRESS.search(six[2])):
                self._do6(self.scope(six[1]), six[2].split())
                continue
            told = SETS.match(line)
            if told is not None:
                drive(setting.write(self.world, self.scope(told[1]), told[2], told[3]), self.world.apply)
                continue
            said = self.say(line)
            assert said.exit_code == 0, (line, said)

    def _do6(self, scope: str, words: list[str]) -> None:
        """``ip -6``'s few words here, straight to the floor below the shell."""
        world, what, rest = self.world, words[0], words[2:]
        told = {word: rest[n + 1] for n, word in enumerate(rest[:-1]) if word in ("via", "dev", "lladdr", "metric")}
        if what == "addr":
            drive(addr.add(world, scope, told["dev"], rest[0]), world.apply)
        elif what == "route":
            kind = rest.pop(0) if rest[0] in ("unreachable", "prohibit", "blackhole") else "unicast"
            dst = "::/0" if rest[0] == "default" else rest[0]
            row = Route(dst, told.get("via", ""), told.get("dev", ""), kind=kind)
            drive(route.add(world, scope, row), world.apply)
        elif rest[0] == "proxy":
            row6 = Neighbour(told["dev"], rest[1], "", "PROXY")
            world.apply(Put((scope, "proxy", (row6.dev, row6.address)), row6))
        else:
            drive(neigh.replace(world, scope, told["dev"], rest[0], told["lladdr"]), world.apply)

    def say(self, line: str) -> Any:
        running = run(self.world, MACHINE, line)
        while True:
            try:
                self.world.apply(next(running))
            except StopIteration as end:
                return end.value

    def scope(self, name: str) -> str:
        return f"{MACHINE}/{name}" if name else MACHINE

    def serve(self, name: str, proto: str, port: int, address: str = "") -> None:
        at = address or "0.0.0.0"
        self.world.apply(Put((self.scope(name), "socket", (proto, at, port)), Socket(proto, at, port, "server", name)))

    def counters(self, name: str) -> dict[str, int]:
        rows = self.world.table(self.scope(name), "nstat").items()
        return {str(word): packets for word, (packets, _) in rows}

    def probe(
        self, name: str, dst: str, proto: str = "icmp", port: int = 0, size: int = 0, pmtu: str = "want", ttl: int = 0,
        src: str = "", patience: float = PATIENCE,
    ) -> Outcome:  # fmt: skip
        scope, proto = self.scope(name), "icmp6" if proto == "icmp" and ":" in dst else proto
        more: dict[str, Any] = {"size": size} if size else {}
        more |= {"source": src} if src else {}
        more |= {"discover": pmtu} if pmtu != "want" else {}
        walk = sockets.connect(self.world, scope, dst, port, proto, ttl=ttl or 64, recording=True, **more)
        while True:
            try:
                self.world.apply(next(walk))
            except StopIteration as end:
                self.attempt = attempt = end.value
                break
        heard = [s.before for s in attempt.steps if s.where == scope and s.what == "deliver" and s.before.inner]
        errors = tuple(dict.fromkeys((p.src, p.flags, p.mtu) for p in heard))
        ending = attempt.ending
        word = (ending.source_seen or "") if ending.outcome == "connected" and "icmp" not in proto else ""
        return Outcome(ending.outcome, word or (ending.error if ending.outcome == "unreachable" else ""), errors)


class Boxes:
    """Both at once; `check` probes both and compares."""

    def __init__(self, lines: str) -> None:
        self.real, self.ours = Real(lines), Ours(lines)

    def do(self, lines: str) -> None:
        self.real.do(lines)
        self.ours.do(lines)

    def serve(self, *args: Any) -> None:
        self.real.serve(*args)
        self.ours.serve(*args)

    def check(self, *args: Any, **kwargs: Any) -> Outcome:
        want, got = self.real.probe(*args, **kwargs), self.ours.probe(*args, **kwargs)
        assert got == want, f"{got} and not {want} ({args} {kwargs})"
        return want

    def counted(self, names: str, name: str, dst: str, *args: Any, among: str = "", **kwargs: Any) -> Outcome:
        """`check`, and every counter that we model went up by as much in these boxes.

        Those of the packet's own family, and `among` those whose name has that."""
        six = ":" in dst
        before = {n: (self._resting(n, six, among), self._ours(n, six, among)) for n in names.split()}
        found = self.check(name, dst, *args, **kwargs)
        for n, (real, ours) in before.items():
            got = self._ours(n, six, among) - ours
            want = settled(lambda n=n, real=real: self._real(n, six, among) - real, got)  # type: ignore[misc]
            assert got == want, f"{n}: {dict(got)} and not {dict(want)} ({dst} {args} {kwargs})"
        return found

    def _real(self, name: str, six: bool, among: str) -> Counter[str]:
        return _wanted(self.real.counters(name), six, among)

    def _resting(self, name: str, six: bool, among: str) -> Counter[str]:
        """The real counters when the packets before are counted: the kernel counts one after it has handed it over."""
        found = self._real(name, six, among)
        while found != (again := self._real(name, six, among)):
            found = again
        return found

    def _ours(self, name: str, six: bool, among: str) -> Counter[str]:
        return _wanted(self.ours.counters(name), six, among)

    def close(self) -> None:
        self.real.close()


def settled(read: Callable[[], Counter[str]], hoped: Counter[str]) -> Counter[str]:
    """What is read, once it is what one hopes for; the kernel counts a packet only after a program has been woken."""
    until = time.monotonic() + 2
    while (found := read()) != hoped and time.monotonic() < until:
        time.sleep(0.01)
    return found


def _wanted(counters: dict[str, int], six: bool, among: str) -> Counter[str]:
    """The counters to compare: those of one family, but for what the kernel's own chatter moves too."""
    mine = {k: v for k, v in counters.items() if (k[:3] == "Ip6" or k[:5] == "Icmp6") == six and among in k}
    return Counter({k: v for k, v in mine.items() if k in MODELLED})


SIX_ADDRESS = re.compile(r"\b[0-9a-f]{0,4}::")
SETS = re.compile(r"ip netns exec (\w+) sysctl -w (net\.ipv[46]\.\S+)=(\w+)$")
SIX = re.compile(r"ip -n (\w+) ((?:addr|route|neigh) (?:add|replace) .*)")
MODELLED = {
    *("IpInReceives", "IpInDelivers", "IpOutRequests", "IpOutTransmits", "IpForwDatagrams"),
    *("IpInAddrErrors", "IpInHdrErrors", "IpOutNoRoutes", "IpExtInNoRoutes", "TcpExtIPReversePathFilter"),
    *("IpReasmReqds", "IpReasmOKs", "IpFragOKs", "IpFragFails", "IpFragCreates"),
    *("IcmpInMsgs", "IcmpOutMsgs", "IcmpInEchos", "IcmpOutEchos", "IcmpInEchoReps", "IcmpOutEchoReps"),
    *("IcmpInDestUnreachs", "IcmpOutDestUnreachs", "IcmpInTimeExcds", "IcmpOutTimeExcds"),
    *(f"IcmpMsg{way}Type{kind}" for way in ("In", "Out") for kind in (0, 3, 8, 11)),
    *("Ip6InHdrErrors", "Ip6InAddrErrors", "Ip6OutForwDatagrams", "Ip6OutNoRoutes"),
    *("Ip6ReasmReqds", "Ip6ReasmOKs", "Ip6FragOKs", "Ip6FragFails", "Ip6FragCreates"),
    *(f"Icmp6{way}{what}" for way in ("In", "Out") for what in ("Echos", "EchoReplies", "DestUnreachs")),
    *(f"Icmp6{way}{what}" for way in ("In", "Out") for what in ("PktTooBigs", "TimeExcds")),
}
"""The counters that `linux/` keeps; of IPv6's, those that multicast listeners and neighbour probes leave alone."""


@contextmanager
def boxes(lines: str) -> Iterator[Boxes]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing or TOOLS)}")
    pair = Boxes(lines)
    try:
        yield pair
    finally:
        pair.close()

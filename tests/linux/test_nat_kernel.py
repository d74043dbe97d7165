"""Address translation held against the kernel: the same rules and the same conversations, the same `conntrack -L`."""

from __future__ import annotations

import socket as s
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from k8slearn.journal import Put, Remove
from k8slearn.linux.rows import Socket
from tests.linux.boxes import LISTENING, ROUTER, Boxes, Rows, boxes, entries

pytestmark = pytest.mark.root


class Real:
    """The namespaces, with servers in `s` that wait for the client to hang up first."""

    def __init__(self, there: Boxes) -> None:
        self.there = there
        self.open: list[s.socket] = []
        for proto, port in LISTENING:
            sock = there.socket("s", s.AF_INET6, s.SOCK_STREAM if proto == "tcp" else s.SOCK_DGRAM)
            sock.setsockopt(s.IPPROTO_IPV6, s.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            self.open.append(sock)
            if proto == "tcp":
                sock.listen()
            Thread(target=self.accept if proto == "tcp" else self.echo, args=(sock,), daemon=True).start()

    def accept(self, sock: s.socket) -> None:
        while True:
            talk, _ = sock.accept()
            Thread(target=self.converse, args=(talk,), daemon=True).start()

    def converse(self, talk: s.socket) -> None:
        asked = talk.recv(100)
        with suppress(OSError):
            talk.sendall(b"x" * int(asked.rpartition(b"/")[2] or 5))
            talk.recv(100)
        talk.close()

    def echo(self, sock: s.socket) -> None:
        while True:
            data, there = sock.recvfrom(100)
            sock.sendto(data, there)

    def ask(self, proto: str, dst: str, port: int, sport: int, page: str = "/") -> str:
        if proto == "icmp":
            return self.ping(dst, sport)
        family = s.AF_INET6 if ":" in dst else s.AF_INET
        sock = self.there.socket("c", family, s.SOCK_STREAM if proto == "tcp" else s.SOCK_DGRAM)
        sock.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1)
        # An ICMPv6 error that comes back while connect() holds the socket counts from the second SYN on.
        sock.settimeout(2 if ":" in dst else 1)
        try:
            sock.bind(("fd01::2" if ":" in dst else "10.1.0.2", sport))
            sock.connect((dst, port))
            sock.send(b"GET " + page.encode())
            got, size = 0, int(page.rpartition("/")[2] or 1)
            while got < size:
                got += len(sock.recv(65536))
            return "connected"
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "timeout"
        except OSError:
            return "unreachable"
        finally:
            sock.close()

    def ping(self, dst: str, identity: int) -> str:
        if ":" in dst:
            return self.ping6(dst, identity)
        sock = self.there.socket("c", s.AF_INET, s.SOCK_RAW, s.IPPROTO_ICMP)
        sock.settimeout(1)
        packet = struct.pack("!BBHHH", 8, 0, 0, identity, 0)
        total = sum(struct.unpack("!4H", packet))
        total = (total & 0xFFFF) + (total >> 16)
        sock.sendto(packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:], (dst, 0))
        try:
            sock.recv(100)
            return "connected"
        except TimeoutError:
            return "timeout"
        finally:
            sock.close()

    def ping6(self, dst: str, identity: int) -> str:
        sock = self.there.socket("c", s.AF_INET6, s.SOCK_RAW, s.IPPROTO_ICMPV6)
        sock.settimeout(1)
        sock.sendto(struct.pack("!BBHHH", 128, 0, 0, identity, 0), (dst, 0))
        try:
            while sock.recv(100)[0] != 129:
                pass
            return "connected"
        except TimeoutError:
            return "timeout"
        finally:
            sock.close()

    def lines(self, options: str = "") -> list[str]:
        return entries(self.there, "r", options)


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    with boxes("c", "r", "s") as there:
        there.script("\n".join(line for line in ROUTER.splitlines() if "iptables" not in line))
        yield Real(there)


PROBES = (
    ("tcp", "10.2.0.2", 80, 40001),
    ("tcp", "10.2.0.2", 81, 40002),
    ("udp", "10.2.0.2", 53, 40003),
    ("udp", "10.2.0.2", 54, 40004),
    ("icmp", "10.2.0.2", 0, 40005),
    ("tcp", "10.96.0.1", 80, 40006),
    ("udp", "10.96.0.1", 53, 40007),
    ("tcp", "10.1.0.1", 22, 40008),
    ("tcp", "10.2.0.2", 8080, 40001),
    ("tcp", "10.2.0.2", 80, 700),
    ("tcp", "10.2.0.2", 80, 300),
)
RULES = {
    "conntrack alone": "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "masquerade": "-t nat -A POSTROUTING -o s0 -j MASQUERADE",
    "snat": "-t nat -A POSTROUTING -o s0 -j SNAT --to-source 10.2.0.1",
    "a range of sources": "-t nat -A POSTROUTING -o s0 -j SNAT --to-source 10.2.0.10-10.2.0.29",
    "the same source for all": "-t nat -A POSTROUTING -o s0 -j SNAT --to-source 10.2.0.10-10.2.0.29 --persistent",
    "one port": "-t nat -A POSTROUTING -p udp -o s0 -j SNAT --to-source 10.2.0.1:5000",
    "dnat": "-t nat -A PREROUTING -d 10.96.0.1 -j DNAT --to-destination 10.2.0.2",
    "dnat to a port": "-t nat -A PREROUTING -d 10.96.0.1 -p tcp -j DNAT --to-destination 10.2.0.2:8080",
    "dnat to the port that it has": "-t nat -A PREROUTING -d 10.96.0.1 -p tcp -j DNAT --to-destination 10.2.0.2:80",
    "redirect": "-t nat -A PREROUTING -d 10.96.0.1 -p tcp -j REDIRECT --to-ports 22",
    "no memory": "-t raw -A PREROUTING -p udp -j CT --notrack",
    "reject": "-A FORWARD -p tcp --dport 80 -m conntrack --ctstate NEW -j REJECT",
    "drop": "-A FORWARD -p icmp -j DROP",
}
FLUSH = ("iptables -F", "iptables -t nat -F", "iptables -t raw -F")
ALWAYS = "-A FORWARD -m conntrack --ctstate INVALID -j ACCEPT"


@pytest.mark.parametrize("rule", RULES)
def test_conversations_through_a_router_leave_the_entries_that_the_kernel_has(real: Real, rule: str) -> None:
    """TCP, UDP and ping, to open and closed ports, through each rule: outcomes and `conntrack -L` are the same."""
    ours = Rows()
    for line in (*FLUSH, f"iptables {ALWAYS}", f"iptables {RULES[rule]}", "conntrack -F"):
        assert real.there.run("r", line).returncode == 0, line
        if line not in FLUSH:
            assert ours.run(line).exit_code == 0, line
    for address in range(10, 30):
        for machine in (real.there.run, lambda where, line: ours.run(line, where)):
            machine("s", f"ip route replace 10.2.0.{address} via 10.2.0.1")
    for probe in PROBES:
        assert (probe, ours.ask(*probe)) == (probe, real.ask(*probe))
    patience = time.monotonic() + 2
    while ours.lines() != real.lines() and time.monotonic() < patience:
        time.sleep(0.05)
    assert ours.lines() == real.lines()


def test_long_answers_find_their_size_or_hang_in_a_black_hole(real: Real) -> None:
    """A narrow link on the way back: with its ICMP the answer is cut again, without it only small answers pass."""
    ours = Rows()
    machines = (ours.run, lambda line, where="r": real.there.run(where, line))
    for machine in machines:
        for line in (*FLUSH, "ip link set c0 mtu 1400"):
            machine(line)
    for rule in ("", "iptables -A OUTPUT -p icmp -j DROP"):
        for machine in machines:
            machine("ip route flush cache", "s")
            if rule:
                machine(rule)
        for key in list(ours.world.table("node:r/s", "pmtu")):
            ours.world.apply(Remove(("node:r/s", "pmtu", key)))
        for n, page in enumerate(("/bytes/100", "/bytes/4000", "/bytes/1300", "/bytes/1400")):
            probe = ("tcp", "10.2.0.2", 80, 41000 + n + 10 * bool(rule), page)
            assert (probe, ours.ask(*probe)) == (probe, real.ask(*probe))
    for line in (*FLUSH, "ip link set c0 mtu 1500"):
        real.there.run("r", line)


WIRE6 = """
r: ip addr add fd01::1/64 dev c0 nodad
r: ip addr add fd02::1/64 dev s0 nodad
c: ip addr add fd01::2/64 dev eth0 nodad
s: ip addr add fd02::2/64 dev eth0 nodad
c: ip -6 route add default via fd01::1
s: ip -6 route add default via fd02::1
r: sysctl -w net.ipv6.conf.all.forwarding=1
"""
PROBES6 = (
    ("tcp", "fd02::2", 80, 42001),
    ("tcp", "fd02::2", 81, 42002),
    ("udp", "fd02::2", 53, 42003),
    ("udp", "fd02::2", 54, 42004),
    ("icmp", "fd02::2", 0, 42005),
    ("tcp", "fd96::1", 80, 42006),
    ("udp", "fd96::1", 53, 42007),
    ("tcp", "fd01::1", 22, 42008),
    ("tcp", "fd02::2", 8080, 600),
)
RULES6 = {
    "conntrack alone": "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "masquerade": "-t nat -A POSTROUTING -o s0 -j MASQUERADE",
    "a range of sources": "-t nat -A POSTROUTING -o s0 -j SNAT --to-source fd02::10-fd02::29",
    "dnat": "-t nat -A PREROUTING -d fd96::1 -j DNAT --to-destination fd02::2",
    "dnat to a port": "-t nat -A PREROUTING -d fd96::1 -p tcp -j DNAT --to-destination [fd02::2]:8080",
    "redirect": "-t nat -A PREROUTING -d fd96::1 -p tcp -j REDIRECT --to-ports 22",
    "reject": "-A FORWARD -p tcp --dport 80 -m conntrack --ctstate NEW -j REJECT",
}
FLUSH6 = ("ip6tables -F", "ip6tables -t nat -F")


@pytest.fixture(scope="module")
def real6(real: Real) -> Real:
    real.there.script(WIRE6 + "r: sysctl -qw net.ipv6.icmp.ratelimit=0")
    return real


@pytest.mark.parametrize("rule", RULES6)
def test_ipv6_conversations_leave_the_entries_that_the_kernel_has(real6: Real, rule: str) -> None:
    """The same in IPv6, to a listener on ``::``."""
    ours = Rows(ipv6=True)
    for line in filter(None, WIRE6.splitlines()):
        where, _, command = line.partition(": ")
        assert ours.run(command, where).exit_code == 0, line
    for proto, port in LISTENING:
        row = Socket(proto, "::", port, "python3", "s")
        ours.world.apply(Put(("node:r/s", "socket", (proto, "::", port)), row))
    for line in (*FLUSH6, "ip6tables -A FORWARD -m conntrack --ctstate INVALID", f"ip6tables {RULES6[rule]}"):
        assert real6.there.run("r", line).returncode == 0, line
        assert ours.run(line).exit_code == 0, line
    real6.there.run("r", "conntrack -F")
    for address in range(0x10, 0x2A):
        real6.there.run("s", f"ip route replace fd02::{address:x} via fd02::1")
        ours.run(f"ip route replace fd02::{address:x} via fd02::1", "s")
    for probe in PROBES6:
        assert (probe, ours.ask(*probe)) == (probe, real6.ask(*probe))
    patience = time.monotonic() + 2
    while ours.lines("-f ipv6") != real6.lines("-f ipv6") and time.monotonic() < patience:
        time.sleep(0.05)
    assert ours.lines("-f ipv6") == real6.lines("-f ipv6")

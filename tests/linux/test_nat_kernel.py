"""Address translation held against the kernel: the same rules and the same conversations, the same `conntrack -L`."""

from __future__ import annotations

import socket as s
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from k8slearn.journal import Remove
from tests.linux.boxes import LISTENING, ROUTER, Boxes, Rows, boxes, entries

pytestmark = pytest.mark.root


class Real:
    """The namespaces, with servers in `s` that wait for the client to hang up first."""

    def __init__(self, there: Boxes) -> None:
        self.there = there
        self.open: list[s.socket] = []
        for proto, port in LISTENING:
            sock = there.socket("s", s.AF_INET, s.SOCK_STREAM if proto == "tcp" else s.SOCK_DGRAM)
            sock.bind(("0.0.0.0", port))
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
        sock = self.there.socket("c", s.AF_INET, s.SOCK_STREAM if proto == "tcp" else s.SOCK_DGRAM)
        sock.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1)
        sock.settimeout(1)
        try:
            sock.bind(("10.1.0.2", sport))
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

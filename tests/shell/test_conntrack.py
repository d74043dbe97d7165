"""``conntrack``: a line that the real one prints is printed the same from its row; the same words when it says no."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from k8slearn.journal import Put
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.shell.conntrack_text import PROTOCOLS, text_of
from tests.linux.boxes import boxes

WIRE = """
ip link set lo up
ip netns add x
ip link add v0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns x
ip addr add 10.0.0.1/24 dev v0
ip link set v0 up
ip -n x addr add 10.0.0.2/24 dev eth0
ip -n x link set eth0 up
ip -n x link set lo up
iptables -A INPUT -m conntrack --ctstate INVALID -j DROP
iptables -t nat -A OUTPUT -d 10.96.0.1 -j DNAT --to-destination 10.0.0.2
ip route add 10.96.0.0/16 via 10.0.0.2
"""
TALK = """python3 -c "
import socket as s
server = s.socket(); server.bind(('127.0.0.1', 80)); server.listen()
client = s.create_connection(('127.0.0.1', 80))
for address in (('10.0.0.2', 54), ('127.0.0.1', 53), ('10.96.0.1', 55)):
    u = s.socket(s.AF_INET, s.SOCK_DGRAM); u.sendto(b'x', address)
i = s.socket(s.AF_INET, s.SOCK_RAW, s.IPPROTO_ICMP); i.sendto(bytes.fromhex('0800e5ca12340001'), ('10.0.0.2', 0))
q = s.socket(); q.setblocking(False); q.connect_ex(('10.0.0.77', 80))
"
"""
PORTS = r"type=\S+ code=\S+ id=\S+ |sport=\S+ dport=\S+ |srckey=\S+ dstkey=\S+ |"
LINE = re.compile(
    rf"(?P<proto>\w+) +\d+ (?P<left>\d+) (?P<state>[A-Z_]+ )?src=(\S+) dst=(\S+) ({PORTS})(\[UNREPLIED\] )?"
    rf"src=(\S+) dst=(\S+) ({PORTS})(\[ASSURED\] )?mark=(\d+) use=\d+"
)


NUMBERED = {str(number): name for name, (_, number) in PROTOCOLS.items()}


def row_of(line: str) -> Connection:
    """A line of conntrack -L as a row."""
    found = LINE.fullmatch(line)
    assert found is not None, line
    proto = NUMBERED[line.split()[1]]
    halves = [Tuple(proto, found[n], found[n + 1], *_ports(found[n + 2])) for n in (4, 8)]
    state = (found["state"] or "").strip()
    return Connection(*halves, state, not found[7], bool(found[11]), int(found[12]), float(found["left"]))


def _ports(text: str) -> tuple[int, int]:
    numbers = [int(word.partition("=")[2], 0) for word in text.split()] or [0, 0]
    return (numbers[-1], numbers[-1]) if text.startswith("type") else (numbers[0], numbers[1])


@pytest.mark.root
def test_a_row_prints_as_the_kernel_s_entry_does(pair: Any) -> None:
    for line in filter(None, WIRE.splitlines()):
        assert pair.real.run(line).exit_code == 0
    assert pair.real.run(TALK) == ("", "", 0)
    for options in ("", " -o extended"):
        lines = pair.real.run(f"conntrack -L{options}").stdout.splitlines()
        assert {line.removeprefix("ipv4     2 ").split()[0] for line in lines} == {"tcp", "udp", "icmp"}
        for line in lines:
            row = row_of(line.removeprefix("ipv4     2 "))
            assert re.sub(r"use=\d", "use=1", line) + "\n" == text_of(row, 0.0, tuple(options.split()[1:]))


@pytest.mark.root
def test_an_empty_table_and_wrong_use_have_the_real_words(pair: Any) -> None:
    pair.check("""
        conntrack -L
        conntrack -L -o extended
        conntrack -L -p tcp --dport 80 -s 10.0.0.1
        conntrack -L -n
        conntrack -F
        conntrack -D -s 1.1.1.1
        conntrack -D
        conntrack -C
        conntrack -V
        conntrack -L -p foo
        conntrack --frob
        conntrack -L -s foo
        conntrack -L --state SYN_SENT
        conntrack -L --dport 80
        conntrack -L -f ipv6
        conntrack -L -f foo
        conntrack -L -o foo
        conntrack -L -p gre
        conntrack -L -p 132
        conntrack -L -p all
        conntrack -L -p sctp --state COOKIE_WAIT
        conntrack -L -p tcp --state FOO
        conntrack -L -p icmp --icmp-id 77 --icmp-type 8
        conntrack -L -p tcp --icmp-id 77
        conntrack -L -p tcp --dport x
        conntrack -L -m 5
        conntrack -L -m 0/0xff
        conntrack -L -m x
        conntrack -L -u ASSURED
        conntrack -L -u FOO
        conntrack -L -n fd00::1
        conntrack -L -s fd00::/64
        conntrack -L -s
        conntrack -L -D
        conntrack -L conntrack -p udp
        conntrack -L expect
        conntrack -L dying
        conntrack -L foo
        conntrack -C expect
        conntrack -G
        conntrack -G -p udp -s 10.0.0.1
        conntrack -G -p udp -s 10.0.0.1 -d 10.0.0.1 --sport 1 --dport 2
        conntrack -D -f ipv6
    """)


EVERYTHING = """
import socket as s
for family, a in ((s.AF_INET, "10.0.0.1"), (s.AF_INET6, "fd00::1")):
    server = s.socket(family); server.bind((a, 80)); server.listen()
    client = s.create_connection((a, 80)); talk, _ = server.accept(); client.close(); talk.close()
    u = s.socket(family, s.SOCK_DGRAM); u.sendto(b"x", (a, 53))
    raw = s.socket(family, s.SOCK_RAW, 132)
    raw.sendto(bytes.fromhex("13880050000000000000000001000014") + bytes(16), (a, 0))
    raw = s.socket(family, s.SOCK_RAW, 47); raw.sendto(bytes.fromhex("00000800") + bytes(20), (a, 0))
    raw = s.socket(family, s.SOCK_RAW, 50); raw.sendto(bytes(20), (a, 0))
"""


@pytest.mark.root
def test_every_protocol_of_both_families_prints_as_the_kernel_s_entries_do() -> None:
    with boxes("b") as there:
        there.script("""
            b: ip link set lo up
            b: ip addr add fd00::1/64 dev lo nodad
            b: ip addr add 10.0.0.1/24 dev lo
            b: iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT
            b: ip6tables -A INPUT -m conntrack --ctstate NEW -j ACCEPT
            b: ping -qc1 10.0.0.1
            b: ping -qc1 fd00::1
        """)
        command = ["ip", "netns", "exec", there.real["b"], "python3", "-c", EVERYTHING]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
        for options in ("", " -o extended"):
            lines = there.run("b", f"conntrack -L{options}").stdout.splitlines()
            assert len(lines) == 12
            for line in lines:
                row = row_of(re.sub(r"^ipv[46] +\d+ ", "", line))
                assert re.sub(r"use=\d", "use=1", line) + "\n" == text_of(row, 0.0, tuple(options.split()[1:]))


ROWS = (
    Connection(
        Tuple("tcp", "10.244.1.2", "10.96.0.10", 40000, 80),
        Tuple("tcp", "10.244.2.3", "10.244.1.2", 8080, 40000),
        "ESTABLISHED",
        True,
        True,
        0,
        432000.0,
    ),
    Connection(
        Tuple("udp", "10.244.1.2", "8.8.8.8", 5353, 53),
        Tuple("udp", "8.8.8.8", "192.168.64.11", 53, 5353),
        "",
        until=30.0,
    ),
)


def test_entries_are_chosen_by_what_they_are(ours: Any) -> None:
    for row in ROWS:
        ours.world.apply(Put(("node:node-1", "conntrack", row.original), row))
        ours.world.apply(Put(("node:node-1", "conntrack", row.reply), row))
    assert ours.run("conntrack -C").stdout == "2\n"
    for options, count in (
        *(("", 2), ("-p udp", 1), ("-p tcp --dport 80", 1), ("-p tcp --dport 81", 0), ("-s 10.244.0.0/16", 2)),
        *(("-n", 1), ("-g", 1), ("-n 192.168.64.11", 1), ("-g 10.244.2.3", 1), ("-j", 2), ("-u ASSURED", 1)),
        *(("-r 8.8.8.8", 1), ("-q 10.244.1.2", 1), ("-p tcp --state ESTABLISHED", 1), ("-d 10.96.0.10", 1)),
    ):
        said = ours.run(f"conntrack -L {options}")
        assert (options, len(said.stdout.splitlines())) == (options, count)
    assert ours.run("conntrack -D -p udp").stderr.endswith("1 flow entries have been deleted.\n")
    assert ours.run("conntrack -C").stdout == "1\n"
    assert ours.run("conntrack -F").exit_code == 0
    assert not ours.world.table("node:node-1", "conntrack")


def test_an_entry_whose_time_is_up_is_not_listed(ours: Any) -> None:
    for row in ROWS:
        ours.world.apply(Put(("node:node-1", "conntrack", row.original), row))
    ours.world.apply(Put(("clock", "now", ""), 60.0))
    assert "tcp      6 431940 ESTABLISHED src=10.244.1.2" in ours.run("conntrack -L").stdout
    assert "udp" not in ours.run("conntrack -L").stdout

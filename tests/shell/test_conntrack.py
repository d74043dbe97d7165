"""``conntrack``: a line that the real one prints is printed the same from its row; the same words when it says no."""

from __future__ import annotations

import re
from typing import Any

import pytest

from k8slearn.journal import Put
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.shell.conntrack import text_of

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
PORTS = r"type=\S+ code=\S+ id=\S+|sport=\S+ dport=\S+"
LINE = re.compile(
    rf"(?P<proto>\w+) +\d+ (?P<left>\d+) (?P<state>[A-Z_]+ )?src=(\S+) dst=(\S+) ({PORTS})( \[UNREPLIED\])? "
    rf"src=(\S+) dst=(\S+) ({PORTS})( \[ASSURED\])? mark=(\d+) use=\d+"
)


def row_of(line: str) -> Connection:
    """A line of conntrack -L as a row."""
    found = LINE.fullmatch(line)
    assert found is not None, line
    proto = found["proto"]
    halves = [Tuple(proto, found[n], found[n + 1], *_ports(found[n + 2])) for n in (4, 8)]
    state = (found["state"] or "").strip()
    return Connection(*halves, state, not found[7], bool(found[11]), int(found[12]), float(found["left"]))


def _ports(text: str) -> tuple[int, int]:
    numbers = [int(word.partition("=")[2]) for word in text.split()]
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
            assert re.sub(r"use=\d", "use=1", line) + "\n" == text_of(row, 0.0, options.removeprefix(" -o "))


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
    """)


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

"""``nstat`` against the real one: the same packets count the same in both kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.conftest import MACHINE, Ours, Pair

SETUP = """
ip netns add c
ip link add v0 type veth peer name v1
ip link set v1 netns c
ip addr add 10.9.0.1/24 dev v0
ip link set v0 up
ip link set lo up
ip netns exec c ip addr add 10.9.0.2/24 dev v1
ip netns exec c ip link set v1 up
ip netns exec c ip route add default via 10.9.0.1
sysctl -w net.ipv4.ip_forward=1
"""
NAMES = "IpIn* IpForwDatagrams IpOutRequests IpOutTransmits IcmpInMsgs IcmpInEchos IcmpOutMsgs IcmpOutEchoReps"
NAMES = NAMES.replace("IpIn*", "IpInReceives IpInHdrErrors IpInAddrErrors IpInDelivers")
NAMES += " IcmpOutDestUnreachs IcmpOutTimeExcds IpExtInNoRoutes IcmpMsg*"
QUESTIONS = (
    "ping -c 1 -W 1 10.9.0.1",
    "ping -c 1 -W 1 10.77.0.1",
    "ping -c 1 -W 1 -t 1 10.77.0.1",
)


@pytest.mark.root
def test_the_same_pings_count_the_same(pair: Pair) -> None:
    for line in filter(None, map(str.strip, SETUP.splitlines())):
        assert pair.real.run(line).exit_code == pair.ours.run(line).exit_code == 0, line
    for question in QUESTIONS:
        for side in (pair.real, pair.ours):
            side.run(f"ip netns exec c {question}")
        pair.check(f"nstat -asz {NAMES}")


@pytest.mark.root
def test_what_input_drops_is_received_and_not_delivered(pair: Pair) -> None:
    for line in (*filter(None, map(str.strip, SETUP.splitlines())), "iptables -A INPUT -p icmp -j DROP"):
        assert pair.real.run(line).exit_code == pair.ours.run(line).exit_code == 0, line
    for side in (pair.real, pair.ours):
        side.run("ip netns exec c ping -c 1 -W 1 10.9.0.1")
    pair.check(f"nstat -asz {NAMES}")
    drops = pair.ours.world.table(MACHINE, "drops")
    assert {name: row[0] for name, row in drops.items()} == {"NETFILTER_DROP": 1}


IN_TURN = (
    "nstat NAMES",
    "nstat NAMES",
    "ping -c 1 -W 1 127.0.0.1",
    "nstat -s NAMES",
    "nstat -z IpInReceives IpInDelivers",
    "ping -c 1 -W 1 127.0.0.1",
    "nstat -a IcmpInMsgs",
    "nstat NAMES",
    "ip netns exec c nstat NAMES",
    "nstat NAMES",
    "nstat -n",
    "ping -c 1 -W 1 127.0.0.1",
    "nstat NAMES",
    "nstat -r NAMES",
    "cat HISTORY",
)


@pytest.mark.root
def test_each_call_tells_what_came_since_the_last(pair: Pair, tmp_path: Path) -> None:
    """The history begins empty, and is one for all namespaces."""
    history = tmp_path / "history"
    for line in filter(None, map(str.strip, SETUP.splitlines())):
        assert pair.real.run(line).exit_code == pair.ours.run(line).exit_code == 0, line
    for line in IN_TURN:
        command = line.replace("NAMES", NAMES).replace("HISTORY", str(history))
        command = command.replace("nstat", f"env NSTAT_HISTORY={history} nstat")
        if line.startswith("ping"):
            pair.real.run(command)
            pair.ours.run(command)
        elif line.startswith("cat"):
            known = {name for name, *_ in map(str.split, pair.ours.run(command).stdout.splitlines())}
            lines = pair.real.run(command).stdout.splitlines()
            assert pair.ours.run(command).stdout.splitlines() == [row for row in lines if row.split()[0] in known]
        else:
            ours, real = pair.ours.run(command), pair.real.run(command)
            assert (line, ours.stdout.splitlines()) == (line, real.stdout.splitlines())


def test_what_is_not_modelled_is_said_in_a_sentence(ours: Ours) -> None:
    assert "not modelled" in ours.run("nstat -d 1").stderr
    assert "nstat -az" in ours.run("netstat -s").stderr
    assert "not modelled" in ours.run("nstat -aj").stderr

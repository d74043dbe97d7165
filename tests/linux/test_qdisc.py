"""Queues and redirects: what a packet meets between the stack and the device, by the clock and by the dice."""

from __future__ import annotations

from typing import Any

from k8slearn.linux import socket as attempts
from tests.linux.boxes import MACHINE, Rows

BANDWIDTH = """
r: ip link add ifb0 type ifb
r: ip link set ifb0 up
r: tc qdisc add dev ifb0 root tbf rate 1mbit burst 32kbit latency 400ms
r: tc qdisc add dev c0 ingress
r: tc filter add dev c0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0
"""
SERVER = "10.2.0.2"


def rows(script: str = "") -> Rows:
    """The router between `c` and `s`, and what a person typed there."""
    there = Rows()
    for line in filter(None, script.splitlines()):
        where, _, command = line.partition(": ")
        said = there.run(command, where)
        assert said.exit_code == 0, (command, said.stderr)
    return there


def sums(there: Rows, dev: str, parent: str = "root") -> dict[str, Any]:
    """What ``tc -s`` counts: kind of count -> (packets, bytes)."""
    table = there.world.table(MACHINE, "counter")
    return {what: table.get(("qdisc", dev, parent, what)) for what in ("sent", "dropped", "overlimits")}


def test_what_comes_in_goes_through_the_ifb_and_on_as_if_it_had_just_come_in() -> None:
    there = rows(BANDWIDTH)
    assert there.run(f"ping -c 2 {SERVER}", "c").exit_code == 0
    assert sums(there, "ifb0")["sent"] == (3, 2 * 98 + 42)
    assert sums(there, "c0", "ingress")["sent"] == (3, 2 * 84 + 28)
    assert there.run("curl -s http://10.2.0.2/", "c").stdout
    seen = {(frame.dev, frame.direction) for frame in there.world.get(attempts.CAPTURED) if frame.netns == MACHINE}
    assert ("ifb0", "out") in seen
    assert ("ifb0", "in") not in seen


def test_an_ifb_that_is_down_swallows_what_it_is_given() -> None:
    there = rows(BANDWIDTH + "r: ip link set ifb0 down")
    assert "100% packet loss" in there.run(f"ping -c 1 {SERVER}", "c").stdout
    assert sums(there, "c0", "ingress")["dropped"][0] > 0
    there.run("tc qdisc del dev c0 ingress", "r")
    assert there.run(f"ping -c 1 {SERVER}", "c").exit_code == 0


def test_a_frame_can_be_redirected_to_a_cable() -> None:
    there = rows(BANDWIDTH)
    there.run("tc filter del dev c0 parent ffff:", "r")
    line = "tc filter add dev c0 parent ffff: protocol arp u32 match u32 0 0 action mirred egress redirect dev s0"
    assert there.run(line, "r").exit_code == 0
    assert "100% packet loss" in there.run(f"ping -c 1 {SERVER}", "c").stdout
    there.run("ip neigh replace 10.1.0.1 lladdr " + mac(there, "c0") + " dev eth0", "c")
    there.run("ip neigh replace 10.1.0.2 lladdr " + mac(there, "eth0", f"{MACHINE}/c") + " dev c0", "r")
    assert there.run(f"ping -c 1 {SERVER}", "c").exit_code == 0


def mac(there: Rows, dev: str, netns: str = MACHINE) -> str:
    """A device's address."""
    return str(there.world.get((netns, "link", dev)).mac)

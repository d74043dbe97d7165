"""Queues and redirects: what a packet meets between the stack and the device, by the clock and by the dice."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.journal import Put, drive
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


# --- time --------------------------------------------------------------------------------------

TBF = "r: tc qdisc add dev {dev} root tbf rate {rate}bit burst {burst} limit 10mb"
HEADERS = 14 + 20 + 32
"""Bytes of each segment beside the payload."""


def seconds(there: Rows, page: str, patience: float = 1e6) -> float:
    """How long `c` waits for a page."""
    talk = attempts.connect(there.world, f"{MACHINE}/c", SERVER, 80, path=page, patience=patience)
    return drive(talk, there.world.apply).seconds


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 200_000), st.sampled_from((64_000, 1_000_000, 20_000_000)), st.integers(1600, 60_000))
def test_many_bytes_take_as_long_as_the_bucket_says(count: int, rate: int, burst: int) -> None:
    there = rows(TBF.format(dev="c0", rate=rate, burst=burst))
    row = there.world.get((MACHINE, "qdisc", ("c0", "root")))
    there.run(f"ping -c 1 {SERVER}", "c")
    sent = count + HEADERS * -(-count // 1448) + 74
    assert seconds(there, f"/bytes/{count}") == pytest.approx(max(0, sent - row.burst) * 8 / rate, abs=1e-6, rel=0.01)


def test_the_narrowest_queue_on_the_way_decides() -> None:
    slow = rows(TBF.format(dev="c0", rate=1_000_000, burst=4000))
    both = rows("\n".join(TBF.format(dev=d, rate=r, burst=4000) for d, r in (("c0", 1_000_000), ("s0", 2_000_000))))
    assert seconds(both, "/bytes/100000") == pytest.approx(seconds(slow, "/bytes/100000"), rel=0.01)


def test_a_delay_is_waited_for_once_by_segments_that_leave_together() -> None:
    there = rows("r: tc qdisc add dev c0 root netem delay 100ms")
    assert seconds(there, "/") == pytest.approx(0.3)  # the ARP answer, SYN-ACK and the page
    assert seconds(there, "/bytes/100000") == pytest.approx(0.2)
    said = there.run(f"ping -c 1 {SERVER}", "c").stdout
    assert "time=100 ms" in said
    assert "rtt min/avg/max/mdev = 100.050/100.050/100.050/0.000 ms" in said


def test_a_client_without_the_patience_for_a_long_answer_sees_a_timeout() -> None:
    there = rows(TBF.format(dev="c0", rate=1_000_000, burst=4096))
    url = f"http://{SERVER}/bytes/1000000"
    assert there.run(f"curl -s -m 3 {url}", "c").exit_code == 28
    said = there.run(f"curl -sS -m 3 {url}", "c")
    assert said.stderr.startswith("curl: (28) Operation timed out after 3000 milliseconds with 3")
    assert said.stderr.endswith(" out of 1000000 bytes received\n")
    said = there.run(f"curl -s -m 20 -o /dev/null -w %{{time_total}} {url}", "c")
    assert said.exit_code == 0
    assert 8.2 < float(said.stdout) < 8.5
    assert there.run(f"curl -s -o /dev/null {url}", "c").exit_code == 0, "connected, curl waits as long as it takes"


# --- chance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [0.1, 1, 10, 50, 90, 100])
@pytest.mark.parametrize("proto", ["tcp", "udp", "icmp"])
def test_the_fates_of_a_lossy_way_add_up_to_one(loss: float, proto: str) -> None:
    there = rows(f"r: tc qdisc add dev c0 root netem loss {loss}%\nr: tc qdisc add dev s0 root netem loss {loss}%")
    found = attempts.fates(there.world, f"{MACHINE}/c", SERVER, {"tcp": 80, "udp": 53}.get(proto, 0), proto)
    assert sum(fate.probability for fate in found) == 1
    assert len(found) <= 3
    assert all(fate.probability > 0 for fate in found)


def test_one_loss_in_ten_seldom_breaks_a_connection_but_often_a_ping() -> None:
    there = rows("r: tc qdisc add dev c0 root netem loss 10%")
    there.run(f"ping -c 1 {SERVER}", "c")
    tcp = attempts.fates(there.world, f"{MACHINE}/c", SERVER)
    assert tcp[0].outcome == "connected"
    assert tcp[0].probability > Fraction(995, 1000)
    lost = 0
    for _ in range(100):
        there.world.revision += 1
        lost += there.run(f"ping -c 1 {SERVER}", "c").exit_code
    assert 2 <= lost <= 25


def test_what_was_lost_and_sent_again_arrives_late() -> None:
    there = rows("r: tc qdisc add dev c0 root netem loss 50%")
    there.run("ip neigh replace 10.1.0.1 lladdr " + mac(there, "c0") + " dev eth0", "c")
    found = []
    for number in range(40):
        there.world.apply(Put(("chance", "seed", ""), number))
        attempt = drive(attempts.connect(there.world.fork(), f"{MACHINE}/c", SERVER, 80), lambda _: None)
        found.append((attempt.ending.outcome, attempt.seconds))
    assert {"connected"} <= {outcome for outcome, _ in found}
    assert {0.0, 0.2, 1.0} <= {time for outcome, time in found if outcome == "connected"}
    assert max(time for _, time in found) <= attempts.PATIENCE

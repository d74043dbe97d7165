"""nftables' rules and packets: against this kernel, against kube-proxy's recorded rule sets, and exact chances."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from k8slearn.journal import Put, World, drive
from k8slearn.linux import addr, link, netfilter, nft, route, socket
from k8slearn.linux.rows import Netns, Route
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Step
from tests.linux import nft_boxes, nft_rules
from tests.linux.nft_boxes import MACHINE, OurBoxes, Probe

BOX = f"{MACHINE}/box"
KUBE_PROXY = json.loads((Path(__file__).parent / "nft_kube_proxy.json").read_text())
"""kube-proxy's rules as `nft list ruleset` gave them back, and upstream's expected flows through them
(kubernetes pkg/proxy/nftables/proxier_test.go, Apache-2.0; facts only)."""


# --- the kernel ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[nft_boxes.RealBoxes]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("nft", "ip", "conntrack"))):
        pytest.skip("needs root, nft, iproute2 and conntrack")
    boxes = nft_boxes.RealBoxes(f"nft-{os.getpid()}-")
    try:
        yield boxes
    finally:
        boxes.close()


AGAIN = 2.5
"""Seconds for what differed: an ICMP error that comes back at once finds the client's socket locked and is lost
(TcpExtLockDroppedIcmps); the one for the second SYN is heard."""


def probes(random: Random) -> list[Probe]:
    """Through the box and to it, in both families. (UDP that the box itself may not send, and closed UDP ports in
    IPv6, are the sockets' affair and not asked here.)"""
    found = []
    for _ in range(8):
        source = random.choice(("left", "left", "left", "right", "box"))
        targets = {"left": ("10.9.1.2", "fd09:1::2", "10.9.0.1", "fd09::1"), "right": ("10.9.0.2", "fd09::2")}
        address = random.choice(targets.get(source, ("10.9.1.2", "fd09:1::2")))
        port, proto = random.choice(((80, "tcp"), (81, "tcp"), (82, "tcp"), (8080, "tcp"), (53, "udp"), (54, "udp")))
        if proto == "tcp" or (source != "box" and (port == 53 and ":" not in address)):
            found.append(Probe(source, address, port, proto))
    return list(dict.fromkeys(found))


LATER = [seed for seed in range(12, 150) if seed != 49]
"""In 49 an ICMP error overtakes its own connection: veth delivers it while the client still handles the SYN-ACK."""


@pytest.mark.root
@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.slow) for seed in LATER)])
def test_random_rules_let_the_same_packets_through_as_the_kernel(real: nft_boxes.RealBoxes, seed: int) -> None:
    random = Random(seed)
    text = nft_rules.ruleset(random)
    asked = probes(random)
    ours = OurBoxes()
    try:
        real.rules(text)
    except AssertionError:
        with pytest.raises(AssertionError):
            ours.rules(text)
        return
    ours.rules(text)
    answers = [answer for probe in asked for answer in _alone(real, text, probe)] if "inc" in text else real.ask(asked)
    for probe, answer in zip(asked, answers, strict=True):
        got, steps = ours.ask(probe)
        if got != answer:
            real.rules(text)
            (answer,) = real.ask([probe], AGAIN)
        assert got == answer, "\n".join([text, str(probe), *steps])


def _alone(real: nft_boxes.RealBoxes, text: str, probe: Probe) -> list[nft_boxes.Answer]:
    """Rules that take turns (``numgen inc``) start from the beginning."""
    real.rules(text)
    return real.ask([probe])


ORDER = """
table ip old {{ chain c {{ type filter hook forward priority {old}; tcp dport 80 counter {first}; }} ; }}
table ip new {{ chain c {{ type filter hook forward priority {new}; tcp dport 80 counter {second}; }} ; }}
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("old", "new", "first", "second"),
    [(0, 0, "accept", "drop"), (0, 0, "drop", "accept"), (-5, 5, "drop", "accept"), (5, -5, "accept", "reject")],
)
def test_at_one_priority_the_newest_chain_is_first_and_an_accept_is_not_the_last_word(
    real: nft_boxes.RealBoxes, old: int, new: int, first: str, second: str
) -> None:
    text = ORDER.format(old=old, new=new, first=first, second=second)
    probe, ours = Probe("left", "10.9.1.2", 80, "tcp"), OurBoxes()
    real.rules(text)
    ours.rules(text)
    got, steps = ours.ask(probe)
    assert [got] == real.ask([probe])
    counted = [line.split()[:3] for line in real.inside("box", "nft list ruleset").splitlines() if "counter" in line]
    met = ["nft ip old" in " ".join(steps), "nft ip new" in " ".join(steps)]
    assert met == [" 0 " not in real_line for real_line in _counters(real)], counted


def _counters(real: nft_boxes.RealBoxes) -> list[str]:
    return [line for line in real.inside("box", "nft list ruleset").splitlines() if "counter" in line]


# --- chance, time and memory ---------------------------------------------------------------------


def through(ours: OurBoxes, dport: int = 80) -> list[Any]:
    return socket.fates(ours.world, f"{MACHINE}/left", "10.9.0.1", dport)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_every_number_of_a_random_map_is_as_likely(count: int) -> None:
    ours = OurBoxes()
    for port in range(9000, 9000 + count):
        row = ours.world.get((f"{MACHINE}/right", "socket", ("tcp", "0.0.0.0", 80)))
        ours.world.apply(Put((f"{MACHINE}/right", "socket", ("tcp", "0.0.0.0", port)), row))
    numbers = ", ".join(f"{n} : 10.9.1.2 . {9000 + n}" for n in range(count))
    ours.rules(
        f"""table ip t {{ chain c {{ type nat hook prerouting priority dstnat;
        meta l4proto tcp dnat ip addr . port to numgen random mod {count} map {{ {numbers} }}; }} ; }}"""
    )
    fates = through(ours)
    assert {fate.probability for fate in fates} == {Fraction(1, count)}
    assert sorted(fate.destination_seen for fate in fates) == [f"10.9.1.2:{9000 + n}" for n in range(count)]


def test_numbers_in_turn_take_turns() -> None:
    ours = OurBoxes()
    ours.rules(
        """table ip t { chain no { reject; } ; chain c { type filter hook input priority 0;
        tcp flags syn / syn,ack numgen inc mod 3 vmap { 0 : accept, 1 : goto no, 2 : accept }; } ; }"""
    )
    seen = []
    for _ in range(6):
        walk = socket.connect(ours.world, f"{MACHINE}/left", "10.9.0.1", 80, "tcp")
        seen.append(drive(walk, ours.world.apply).ending.outcome)
    assert seen == ["connected", "refused", "connected"] * 2


def test_a_client_stays_with_its_server_until_the_set_forgets_it() -> None:
    """kube-proxy's session affinity: the packet itself adds the element, the logical clock takes it away."""
    ours = OurBoxes()
    ours.rules(
        """table ip t { set s { type ipv4_addr; flags dynamic,timeout; timeout 3h; }
        chain c { type filter hook input priority 0; ip saddr @s accept; tcp flags syn update @s { ip saddr }; } ; }"""
    )
    drive(socket.connect(ours.world, f"{MACHINE}/left", "10.9.0.1", 80, "tcp"), ours.world.apply)
    assert "elements = { 10.9.0.2 expires 3h }" in ours.inside("box", "nft list set ip t s")
    ours.world.apply(Put(("clock", "now", ""), 3600.0))
    assert "10.9.0.2 expires 2h" in ours.inside("box", "nft list set ip t s")
    ours.world.apply(Put(("clock", "now", ""), 4 * 3600.0))
    assert "elements" not in ours.inside("box", "nft list set ip t s")


def test_a_limit_fills_with_the_logical_clock() -> None:
    ours = OurBoxes()
    ours.rules(
        """table ip t { chain c { type filter hook input priority 0;
        tcp flags syn / syn,ack limit rate 1/hour burst 2 packets accept; tcp flags syn / syn,ack reject; } ; }"""
    )

    def outcome() -> str:
        walk = socket.connect(ours.world, f"{MACHINE}/left", "10.9.0.1", 80, "tcp")
        return str(drive(walk, ours.world.apply).ending.outcome)

    assert [outcome() for _ in range(3)] == ["connected", "connected", "refused"]
    ours.world.apply(Put(("clock", "now", ""), 3601.0))
    assert [outcome() for _ in range(2)] == ["connected", "refused"]


def test_counters_are_listed_with_what_they_counted() -> None:
    ours = OurBoxes()
    ours.rules(
        "table ip t { counter all { } ; chain c { type filter hook input priority 0; "
        "tcp flags syn / syn,ack counter counter name all; } ; }"
    )
    walk = socket.connect(ours.world, f"{MACHINE}/left", "10.9.0.1", 80, "tcp", recording=True)
    drive(walk, ours.world.apply)
    listing = ours.inside("box", "nft list ruleset")
    assert "counter packets 1 bytes 60 counter name" in listing
    assert "packets 1 bytes 60\n\t}" in listing


def test_a_step_names_the_element_that_decided() -> None:
    ours = OurBoxes()
    ours.rules(
        """table ip t { chain no { reject; } ;
        map m { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.9.0.1 . tcp . 80 : goto no } ; }
        chain c { type filter hook input priority 0; ip daddr . meta l4proto . th dport vmap @m; } ; }"""
    )
    fork = ours.world.fork()
    walk = socket.connect(fork, f"{MACHINE}/left", "10.9.0.1", 80, "tcp")
    steps = [step for step in drive(walk, fork.apply).steps if step.what == "rule"]
    assert steps[0].says == "nft ip t c rule 1: goto no (10.9.0.1 . tcp . 80 : goto no in @m)"
    assert steps[0].because is not None
    assert steps[0].because.key == (BOX, "nftelem ip t m", ("10.9.0.1", "tcp", 80))
    assert ours.world.get(steps[0].because.key) is not None


def test_a_dormant_table_sees_no_packet() -> None:
    ours = OurBoxes()
    ours.rules("table ip t { flags dormant; chain c { type filter hook input priority 0; policy drop; } ; }")
    assert {fate.outcome for fate in through(ours)} == {"connected"}
    ours.inside("box", "nft add table ip t")
    assert {fate.outcome for fate in through(ours)} == {"timeout"}


def test_a_namespace_takes_its_tables_along() -> None:
    ours = OurBoxes()
    ours.rules("table ip t { set s { type ipv4_addr; elements = { 1.2.3.4 } ; } ; }")
    ours.sh("ip netns del box")
    assert not [table for scope, table in ours.world.tables() if scope == BOX and table.startswith("nft")]


# --- kube-proxy ----------------------------------------------------------------------------------


def node(case: dict[str, Any]) -> World:
    """A node with the addresses of the case and a way to everywhere."""
    world = World()
    world.apply(Put(("node", "netns", ""), Netns("node", "node", ipv6=True)))
    commands = [link.add_loopback("node"), link.set_up(world, "node", "lo")]
    commands.append(link.add_veth(world, "node", "eth0", "node", "far"))
    commands += [link.set_up(world, "node", dev) for dev in ("eth0", "far")]
    commands += [addr.add(world, "node", "eth0", address) for address in case["addresses"]]
    six = ":" in case["addresses"][0]
    default = (
        Route("::/0", via="2001:db8::ffff", dev="eth0") if six else Route("0.0.0.0/0", via="192.168.0.254", dev="eth0")
    )
    commands.append(route.add(world, "node", default))
    for running in commands:
        for command in running:
            world.apply(command)
    for command in nft.load(world, "node", case["ruleset"]):
        world.apply(command)
    return world


def ends(world: World, flow: dict[str, Any]) -> set[tuple[str, bool]]:
    """Every end that one packet of this flow can have at the hooks: (where it goes, is it masqueraded)."""
    found, todo = set(), [()]
    while todo:
        forced: tuple[bool, ...] = todo.pop()
        net = Net(world.fork(), forced=forced)
        found.add(_one(net, flow))
        for at in range(len(forced), len(net.draws)):
            todo.append((*(draw.hit for draw in net.draws[:at]), True))
    return found


FIRST = {"tcp": "SYN", "udp": "", "sctp": "INIT"}


def _one(net: Net, flow: dict[str, Any]) -> tuple[str, bool]:
    src, dst = flow["source_ip"], flow["dest_ip"]
    own = {row.address for row in net.world.table("node", "addr").values()}
    skb = Skb("node", Packet(flow["protocol"], src, dst, 32768, flow["dest_port"], FIRST[flow["protocol"]]))
    skb.iif, skb.oif, hooks = ("", "eth0", ["OUTPUT"]) if src in own else ("eth0", "", ["PREROUTING"])
    steps: list[Step] = []
    for hook in hooks:
        if not _at(net, skb, hook, steps):
            return ("REJECT" if any("reject" in step.says for step in steps) else "DROP"), False
        if hook == "PREROUTING":
            hooks += ["INPUT"] if skb.packet.dst in own else ["FORWARD", "POSTROUTING"]
            skb.oif = "" if skb.packet.dst in own else "eth0"
        elif hook == "OUTPUT":
            hooks.append("POSTROUTING")
    if (skb.packet.dst, skb.packet.dport) == (dst, flow["dest_port"]):
        return "", False
    place = f"[{skb.packet.dst}]" if ":" in skb.packet.dst else skb.packet.dst
    return f"{place}:{skb.packet.dport}", any(step.says.endswith(": masquerade") for step in steps)


def _at(net: Net, skb: Skb, hook: str, steps: list[Step]) -> bool:
    """One hook: does the packet go on?"""
    net.say = steps.append
    return netfilter.run(net, skb, hook)


@pytest.mark.parametrize("name", sorted(KUBE_PROXY))
def test_kube_proxys_rules_are_listed_as_they_were_recorded(name: str) -> None:
    world = World()
    for command in nft.load(world, "node", KUBE_PROXY[name]["ruleset"]):
        world.apply(command)
    assert nft.run(nft.Store(world, "node"), "list ruleset") == KUBE_PROXY[name]["ruleset"]


FLOWS = [
    pytest.param(name, flow, id=f"{name}: {flow['name']}")
    for name, case in KUBE_PROXY.items()
    for flow in case["flows"]
]


@pytest.mark.parametrize(("name", "flow"), FLOWS)
def test_packets_end_where_upstream_expects_them(name: str, flow: dict[str, Any]) -> None:
    wanted = {one.strip() for one in flow["output"].split(",")} if flow["output"] else {""}
    got = ends(node(KUBE_PROXY[name]), flow)
    assert {where for where, _ in got} == wanted
    if flow["output"] not in ("", "DROP", "REJECT"):
        assert {masqueraded for _, masqueraded in got} == {flow["masquerade"]}

"""Laws of every network: what ADD makes DEL takes away, whatever happens in between, and no address is given twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.cni import runtime, skel
from k8slearn.cni.runtime import Attachment, Network
from k8slearn.cni.spec import CniError
from k8slearn.journal import World
from k8slearn.linux.program import Call

from .runner import NODE, machine, run

RANGES = [[{"subnet": "10.1.0.0/29"}]]
LEASES = {"type": "host-local", "ranges": RANGES, "routes": [{"dst": "0.0.0.0/0"}]}
BRIDGE = {"type": "bridge", "isGateway": True, "hairpinMode": True, "ipam": LEASES}
TUNING = {"type": "tuning", "mtu": 1400, "mac": "02:00:00:00:00:07", "promisc": True}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
ADDRESSES = {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "loopback": [{"type": "loopback"}],
    "bridge with host-local": [BRIDGE],
    "bridge with static": [{**BRIDGE, "ipam": ADDRESSES}],
    "bridge, tuning, portmap": [BRIDGE, TUNING, PORTMAP],
    "bridge, tuning, loopback": [BRIDGE, TUNING, {"type": "loopback"}],
}
PORTS = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
LASTS = ("last_reserved_ip", "/lock")
"""host-local remembers where it was, and never forgets."""


def network(plugins: list[dict[str, Any]], version: str = "1.0.0") -> Network:
    text = json.dumps({"cniVersion": version, "name": "net", "plugins": plugins})
    found = runtime.parse("net.conflist", text)
    assert found is not None
    return found


def pod(number: int) -> Attachment:
    return Attachment(NODE, f"ctr{number}", f"/var/run/netns/pod{number}", "eth0", "IgnoreUnknown=1", PORTS)


def warm(net: Network) -> World:
    """A node on which somebody has come and gone: the bridge stands, and so do the chains that stay for ever."""
    world = machine("pod0", "pod1")
    for number in (0, 1):
        run(world, runtime.add(world, net, pod(number)))
    for number in (0, 1):
        run(world, runtime.delete(world, net, pod(number)))
    return world


def rows(world: World) -> dict[str, dict[Any, Any]]:
    """Everything there is, but what host-local never forgets."""
    tables = {f"{scope} {table}": dict(rows) for (scope, table), rows in world.tables().items()}
    files = {name: text for name, text in tables.get(f"{NODE} file", {}).items() if not any(w in name for w in LASTS)}
    return {name: found for name, found in {**tables, f"{NODE} file": files}.items() if found}


def crashing(world: World, commands: Any, after: int) -> bool:
    """Whether all was done: only the first `after` steps are."""
    for _ in range(after):
        try:
            world.apply(next(commands))
        except StopIteration:
            return True
    commands.close()
    return False


def half_a_cable(world: World) -> bool:
    """One end of a veth pair without the other, a note of a device that is not there: the kernel does both at once."""
    links = [row for scope in world.scopes("link") for row in world.table(scope, "link").values()]
    uppers = [name for scope in world.scopes("upper") for name in world.table(scope, "upper")]
    cut = any(row.peer and world.get((row.peer[0], "link", row.peer[1])) is None for row in links)
    return cut or any(world.get((scope, "link", dev)) is None for _, scope, dev in uppers)


def at_every_step(world: World, doing: Callable[[World], Any], then: Callable[[World], None]) -> int:
    """Do the first step only, then the first two, ... each on a copy of the world, and `then`; returns how many."""
    steps = 0
    while True:
        copy = world.fork()
        done = crashing(copy, doing(copy), steps)
        if not half_a_cable(copy):
            then(copy)
        if done:
            return steps
        steps += 1


@pytest.fixture(params=NETWORKS, ids=[name.replace(", ", "-").replace(" ", "-") for name in NETWORKS])
def net(request: pytest.FixtureRequest) -> Network:
    return network(NETWORKS[request.param])


def test_add_and_then_del_leaves_the_world_as_it_was(net: Network) -> None:
    world = warm(net)
    before = rows(world)
    run(world, runtime.add(world, net, pod(0)))
    assert rows(world) != before
    run(world, runtime.delete(world, net, pod(0)))
    assert rows(world) == before


def test_del_twice_is_well_and_so_is_del_of_what_never_was(net: Network) -> None:
    world = warm(net)
    before = rows(world)
    for attachment in (pod(0), pod(0), pod(7)):
        run(world, runtime.delete(world, net, attachment))
    assert rows(world) == before


def test_a_crash_after_any_step_of_add_leaves_nothing_that_del_does_not_take_away(net: Network) -> None:
    world = warm(net)
    before = rows(world)

    def then(copy: World) -> None:
        run(copy, runtime.delete(copy, net, pod(0)))
        assert rows(copy) == before

    assert at_every_step(world, lambda copy: runtime.add(copy, net, pod(0)), then) > 2


def test_a_crash_after_any_step_of_del_leaves_nothing_that_del_does_not_take_away(net: Network) -> None:
    world = warm(net)
    before = rows(world)
    run(world, runtime.add(world, net, pod(0)))

    def then(copy: World) -> None:
        run(copy, runtime.delete(copy, net, pod(0)))
        assert rows(copy) == before

    assert at_every_step(world, lambda copy: runtime.delete(copy, net, pod(0)), then) > 1


def test_a_lost_del_leaks_an_address_and_gc_finds_it() -> None:
    net = network([BRIDGE], "1.1.0")
    world = warm(net)
    before = rows(world)
    run(world, runtime.add(world, net, pod(0)))
    run(world, runtime.add(world, net, pod(1)))
    run(world, runtime.gc(world, net, NODE, [("ctr0", "eth0"), ("ctr1", "eth0")]))
    assert len(leases(world)) == 2
    run(world, runtime.gc(world, net, NODE, [("ctr1", "eth0")]))
    assert list(leases(world).values()) == ["ctr1\r\neth0"]
    run(world, runtime.gc(world, net, NODE, []))
    assert rows(world) == before


def test_gc_of_a_network_that_says_disable_gc_does_nothing() -> None:
    text = json.dumps({"cniVersion": "1.1.0", "name": "net", "disableGC": True, "plugins": [BRIDGE]})
    net = runtime.parse("net.conflist", text)
    assert net is not None
    world = machine("pod0")
    run(world, runtime.add(world, net, pod(0)))
    before = rows(world)
    run(world, runtime.gc(world, net, NODE, []))
    assert rows(world) == before


def test_a_crash_between_the_cable_and_its_masquerade_rules_leaves_the_rules_as_in_life() -> None:
    """The reference plugin learns the addresses from the link: once that has gone, nobody looks for their rules."""
    net = network([{**BRIDGE, "ipMasq": True}])
    world = warm(net)
    run(world, runtime.add(world, net, pod(0)))
    left = []

    def then(copy: World) -> None:
        run(copy, runtime.delete(copy, net, pod(0)))
        chains = [name for _, _, name in copy.table(NODE, "chain") if str(name).startswith("CNI-")]
        left.append(len(chains))

    at_every_step(world, lambda copy: runtime.delete(copy, net, pod(0)), then)
    assert (left[0], max(left), left[-1]) == (0, 1, 0)


# -- addresses ---------------------------------------------------------------------------------------------------------


def leases(world: World) -> dict[str, str]:
    files = {str(name): text for name, text in world.table(NODE, "file").items() if "/networks/net/" in str(name)}
    return {name.rpartition("/")[2]: text for name, text in files.items() if not any(word in name for word in LASTS)}


def ask(world: World, command: str, container: str, ranges: Any) -> Any:
    """One call of host-local; what it printed."""
    config = {"cniVersion": "1.0.0", "name": "net", "ipam": {"type": "host-local", "ranges": ranges}}
    env = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": "x", "CNI_IFNAME": "eth0"}
    call = Call(world, NODE, (), json.dumps(config), {**env, "CNI_PATH": skel.BINARIES})
    done = run(world, skel.PROGRAMS["host-local"](call))
    return json.loads(done.stdout) if done.stdout else {}


Orders = st.lists(st.tuples(st.sampled_from(("ADD", "ADD", "DEL")), st.integers(0, 12)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(Orders, st.sampled_from(("10.1.0.0/29", "10.1.0.0/28", "fd00::/125")))
def test_no_address_is_given_twice_and_none_is_lost(orders: list[tuple[str, int]], subnet: str) -> None:
    _keeps_books(orders, [[{"subnet": subnet}]], 2 ** ((125 if ":" in subnet else 32) - int(subnet.split("/")[1])))


def test_a_thousand_come_and_go_in_random_order_and_the_books_are_right() -> None:
    from random import Random

    draw = Random(4)
    orders = [(draw.choice(("ADD", "ADD", "DEL")), draw.randint(0, 300)) for _ in range(1000)]
    _keeps_books(orders, [[{"subnet": "10.1.0.0/24"}]], 256)


def _keeps_books(orders: list[tuple[str, int]], ranges: Any, size: int) -> None:
    world, held = machine(), dict[str, str]()
    for command, number in orders:
        container = f"c{number}"
        said = ask(world, command, container, ranges)
        if command == "DEL":
            held.pop(container, None)
        elif container in held:
            assert "duplicate allocation is not allowed" in said["msg"]
        elif "ips" in said:
            address = said["ips"][0]["address"].partition("/")[0]
            assert address not in held.values()
            held[container] = address
        else:
            assert "no IP addresses available in range set" in said["msg"]
            assert len(held) >= size - 3
        assert leases(world) == {address: f"{who}\r\neth0" for who, address in held.items()}


def test_the_254th_container_gets_no_address_and_the_reference_plugins_sentence() -> None:
    world = machine()
    ranges = [[{"subnet": "10.1.0.0/24"}]]
    given = [ask(world, "ADD", f"c{number}", ranges)["ips"][0]["address"] for number in range(253)]
    assert len(set(given)) == 253
    said = ask(world, "ADD", "c253", ranges)
    words = "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.254"
    assert said == {"code": 999, "msg": words}
    ask(world, "DEL", "c7", ranges)
    assert ask(world, "ADD", "c253", ranges)["ips"][0]["address"] == given[7]


def test_two_plugins_that_claim_one_interface_fail_and_del_takes_away_what_there_was() -> None:
    net = network([BRIDGE])
    twice = network([BRIDGE, {**BRIDGE, "bridge": "cni1", "ipam": {**LEASES, "ranges": [[{"subnet": "10.2.0.0/29"}]]}}])
    world = warm(net)
    with pytest.raises(CniError, match=r'plugin type="bridge" failed \(add\).*eth0.*already exists'):
        run(world, runtime.add(world, twice, pod(0)))
    run(world, runtime.delete(world, twice, pod(0)))
    assert leases(world) == {}

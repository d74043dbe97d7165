"""The plugin ``cilium-cni`` and what the agent does for it, without a cluster."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.cni import cri, runtime
from k8slearn.cni.cilium import agent, datapath, identity, maps
from k8slearn.cni.cri import Container
from k8slearn.cni.spec import CniError
from k8slearn.journal import Put, Remove, World
from k8slearn.linux import addr, fib

from .runner import NODE, machine, run
from .vendor import add, attachment, crashes_leave_nothing, delete, failure, installed, network

NETWORK = network({"type": "cilium-cni", "enable-debug": False}, name="cilium")
AGENT = Container("c0", "kube-system/cilium-x", "cilium-agent", "s", "i", "i", 0, cri.RUNNING, program=agent.PROGRAM)
ROUTER = "10.244.0.5"


def cilium(cidr: str = "10.244.0.0/24") -> World:
    """A node whose agent is ready."""
    world = machine()
    installed(world, "cilium-cni")
    world.apply(Put((NODE, "container", "c0"), AGENT))
    world.apply(Put((NODE, maps.CONFIG, ""), maps.Config("192.168.64.11", "eth0", ROUTER, cidr, True)))
    world.apply(Put((NODE, agent.ADDRESSES, ROUTER), agent.ROUTER))
    return world


def clean(world: World) -> Any:
    return {place: dict(rows) for place, rows in world.tables().items()}


def routes(world: World, scope: str) -> list[str]:
    return [fib.route_text(row) for row in world.table(scope, "route").values()]


def test_a_pods_gateway_is_its_nodes_router_address_and_the_node_has_no_route_to_it() -> None:
    world = cilium()
    result = add(world, NETWORK, "web")
    assert routes(world, f"{NODE}/web") == [f"{ROUTER} dev eth0 scope link", f"default via {ROUTER} dev eth0 mtu 1450"]
    assert routes(world, NODE) == []
    host, far = result["interfaces"]
    assert host["name"] == "lxc" + hashlib.sha256(b"id-of-web:eth0").hexdigest()[:12]
    assert far == {"name": "eth0", "mac": far["mac"], "sandbox": "/var/run/netns/web"}
    assert result["ips"][0]["gateway"] == ROUTER
    assert world.get((NODE, "link", host["name"])).mtu == 1500


def test_the_agent_knows_the_pod_and_its_program_hangs_at_its_cable() -> None:
    world = cilium()
    result = add(world, NETWORK, "web")
    host, address = result["interfaces"][0]["name"], result["ips"][0]["address"].removesuffix("/32")
    (known,) = agent.endpoints(world, NODE)
    assert (known.pod, known.address, known.device) == ("default/web", address, host)
    assert (known.identity, known.state) == (identity.INIT, "waiting-for-identity")
    row = maps.endpoint(world, NODE, address)
    assert row is not None
    assert maps.device_of(world, NODE, row) == host
    assert world.get((NODE, "bpf", (host, "ingress"))) is datapath.FROM_CONTAINER


def test_a_crash_after_any_step_leaves_nothing() -> None:
    assert crashes_leave_nothing(cilium(), NETWORK, clean) > 25


def test_add_then_delete_leaves_the_node_as_it_was_and_twice_is_well() -> None:
    world = cilium()
    before = clean(world)
    add(world, NETWORK, "web")
    delete(world, NETWORK, "web")
    delete(world, NETWORK, "web")
    assert clean(world) == before


def test_without_the_agent_there_is_no_add_and_a_delete_is_written_down() -> None:
    world = cilium()
    before = clean(world)
    add(world, NETWORK, "web")
    world.apply(Remove((NODE, "container", "c0")))
    assert failure(world, NETWORK, "other").endswith(
        "cilium.sock: connect: no such file or directory\nIs the agent running?"
    )
    run(world, runtime.delete(world, NETWORK, attachment("web")))
    delete(world, NETWORK, "web")
    assert [path for path in world.table(NODE, "file") if str(path).startswith(agent.QUEUE)]
    world.apply(Put((NODE, "container", "c0"), AGENT))
    run(world, agent.work_off(world, NODE))
    delete(world, NETWORK, "other")
    assert clean(world) == before


def test_a_range_without_a_free_address_says_so() -> None:
    world = cilium("10.244.0.4/30")
    add(world, NETWORK, "a")
    assert "range is full" in failure(world, NETWORK, "b")
    delete(world, NETWORK, "a")
    add(world, NETWORK, "b")


def test_check_looks_for_the_endpoint_and_its_address() -> None:
    world = cilium()
    checked = network({"type": "cilium-cni"}, version="0.4.0", name="cilium")
    add(world, checked, "web")
    run(world, runtime.check(world, checked, attachment("web")))
    (known,) = agent.endpoints(world, NODE)
    run(world, addr.delete(world, f"{NODE}/web", "eth0", f"{known.address}/32"))
    with pytest.raises(CniError, match=f"expected ip {known.address} not found"):
        run(world, runtime.check(world, checked, attachment("web")))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=40))
def test_no_address_is_given_twice_and_none_is_lost(coming_and_going: list[int]) -> None:
    world, here = cilium("10.244.0.0/28"), dict[int, str]()
    for number in coming_and_going:
        name = f"pod-{number}"
        if number in here:
            delete(world, NETWORK, name)
            del here[number]
        else:
            here[number] = add(world, NETWORK, name)["ips"][0]["address"].removesuffix("/32")
        assert len(set(here.values())) == len(here)
        assert set(world.table(NODE, agent.ADDRESSES)) == {ROUTER, *here.values()}


@pytest.mark.parametrize(
    ("label", "counts"),
    [
        ("app", True),
        ("app.kubernetes.io/name", True),
        ("pod-template-hash", False),
        ("controller-revision-hash", False),
        ("statefulset.kubernetes.io/pod-name", False),
        ("kubernetes.io/arch", False),
    ],
)
def test_labels_that_differ_between_pods_of_one_kind_do_not_count(label: str, counts: bool) -> None:
    pod = {"metadata": {"name": "a", "namespace": "default", "labels": {label: "x"}}, "spec": {}}
    assert (f"k8s:{label}=x" in identity.labels(pod)) is counts
    assert "k8s:io.kubernetes.pod.namespace=default" in identity.labels(pod)

"""Addresses and ports of Services."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.api import allocate
from k8slearn.errors import Refused
from k8slearn.journal import Put, World

from .world import applied, service


@dataclass(frozen=True)
class Settings:
    service_cidr: str = "10.96.0.0/12"
    seed: int = 0


def world_of(cidr: str, seed: int = 0) -> World:
    world = World()
    world.apply(Put(("cluster", "settings", ""), Settings(cidr, seed)))
    return world


@pytest.mark.parametrize(
    ("cidr", "static"), [("10.96.0.0/12", 256), ("10.96.0.0/24", 16), ("10.96.0.0/22", 64), ("10.96.0.0/28", 0)]
)
def test_the_static_band_is_as_long_as_the_api_servers(cidr: str, static: int) -> None:
    assert allocate.band(cidr)[2] == static


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["10.96.0.0/12", "10.96.0.0/26", "10.96.0.0/28"]), st.integers(0, 5), st.integers(1, 14))
def test_drawn_addresses_are_different_in_range_and_the_same_every_time(cidr: str, seed: int, count: int) -> None:
    def addresses() -> list[str]:
        world = world_of(cidr, seed)
        return [applied(world, service(f"s{i}"))[0]["spec"]["clusterIP"] for i in range(count)]

    once = addresses()
    assert once == addresses()
    assert len(set(once)) == count
    network = ip_network(cidr)
    first, _, static = allocate.band(cidr)
    for address in once:
        assert ip_address(address) in network
        assert address not in (str(network[0]), str(network[-1]))
        assert int(ip_address(address)) >= first + static


def test_the_lower_band_is_used_when_the_upper_is_full_and_then_nothing_is_left() -> None:
    world = world_of("10.96.0.0/27")
    given_out = {applied(world, service(f"s{i}"))[0]["spec"]["clusterIP"] for i in range(30)}
    assert given_out == {str(a) for a in ip_network("10.96.0.0/27").hosts()}
    with pytest.raises(Refused, match="range is full"):
        applied(world, service("late"))


def test_an_address_is_given_once() -> None:
    world = World()
    applied(world, service("a", clusterIP="10.96.0.77"))
    with pytest.raises(Refused, match="provided IP is already allocated"):
        applied(world, service("b", clusterIP="10.96.0.77"))
    with pytest.raises(Refused, match="is not in the valid range"):
        applied(world, service("b", clusterIP="10.0.0.77"))


def test_a_node_port_is_given_once_and_drawn_from_the_upper_band() -> None:
    world = World()
    applied(world, service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    with pytest.raises(Refused, match="provided port is already allocated"):
        applied(world, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    numbers = [applied(world, service(f"s{i}", type="NodePort"))[0]["spec"]["ports"][0]["nodePort"] for i in range(50)]
    assert len(set(numbers)) == 50
    assert all(30086 <= number <= 32767 for number in numbers)


def test_headless_and_external_name_services_have_no_address() -> None:
    (headless,) = applied(World(), service("h", clusterIP="None"))
    assert headless["spec"]["clusterIPs"] == ["None"]
    (named,) = applied(World(), service("n", type="ExternalName", externalName="a.b"))
    assert "clusterIP" not in named["spec"]

"""Which families of addresses a Service has (kubernetes.io, "IPv4/IPv6 dual-stack")."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn.errors import Refused
from k8slearn.journal import Put, World

from .test_allocate import Settings, world_of
from .world import applied, service

BOTH = "10.96.0.0/12,fd00:10:96::/112"
FOUR = "10.96.0.0/12"


def families(world: World, **spec: Any) -> tuple[str, list[str], list[str]]:
    """The policy, the families, and the families of the cluster IPs."""
    made = applied(world, service("web", selector={"app": "web"}, **spec))[0]["spec"]
    assert made["clusterIP"] == made["clusterIPs"][0]
    return made["ipFamilyPolicy"], made["ipFamilies"], ["IPv6" if ":" in ip else "IPv4" for ip in made["clusterIPs"]]


CREATED = [
    (BOTH, {}, ("SingleStack", ["IPv4"])),
    (BOTH, {"ipFamilyPolicy": "PreferDualStack"}, ("PreferDualStack", ["IPv4", "IPv6"])),
    (BOTH, {"ipFamilyPolicy": "RequireDualStack"}, ("RequireDualStack", ["IPv4", "IPv6"])),
    (BOTH, {"ipFamilies": ["IPv6"]}, ("SingleStack", ["IPv6"])),
    (BOTH, {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, ("PreferDualStack", ["IPv6", "IPv4"])),
    (BOTH, {"clusterIP": "fd00:10:96::55"}, ("SingleStack", ["IPv6"])),
    (BOTH, {"ipFamilyPolicy": "PreferDualStack", "clusterIP": "fd00:10:96::55"}, ("PreferDualStack", ["IPv6", "IPv4"])),
    (FOUR, {"ipFamilyPolicy": "PreferDualStack"}, ("PreferDualStack", ["IPv4"])),
]


@pytest.mark.parametrize(("ranges", "spec", "found"), CREATED)
def test_a_new_service_has_the_families_that_its_policy_asks_for(
    ranges: str, spec: dict[str, Any], found: tuple[str, list[str]]
) -> None:
    assert families(world_of(ranges), **spec) == (*found, found[1])


def test_a_headless_service_without_a_selector_has_both_families_anywhere() -> None:
    made = applied(world_of(FOUR), service("db", clusterIP="None"))[0]["spec"]
    assert (made["ipFamilyPolicy"], made["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])
    made = applied(world_of(BOTH), service("web", clusterIP="None", selector={"a": "b"}))[0]["spec"]
    assert (made["ipFamilyPolicy"], made["ipFamilies"], made["clusterIPs"]) == ("SingleStack", ["IPv4"], ["None"])


REFUSED = [
    (FOUR, {"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services"),
    (FOUR, {"ipFamilies": ["IPv6"]}, r'spec.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster'),
    (FOUR, {"clusterIP": "fd00::1"}, r"spec.clusterIPs\[0\]: .*: IPv6 is not configured on this cluster"),
    (BOTH, {"ipFamilies": ["IPv4", "IPv6"]}, "when multiple IP families are specified"),
    (BOTH, {"ipFamilies": ["IPv4", "IPv4"]}, r'spec.ipFamilies\[1\]: Duplicate value: "IPv4"'),
    (BOTH, {"ipFamilies": ["IPv5"]}, 'Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'),
    (BOTH, {"ipFamilyPolicy": "Both"}, '"PreferDualStack", "RequireDualStack", "SingleStack"'),
    (
        BOTH,
        {"clusterIP": "10.96.0.9", "ipFamilies": ["IPv6"]},
        r"expected an IPv6 value as indicated by `ipFamilies\[0\]`",
    ),
    (
        BOTH,
        {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "fd00:10:96::9"]},
        "multiple cluster IPs are specified",
    ),
    (
        BOTH,
        {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "10.96.0.8"]},
        "no more than one IP for each IP family",
    ),
    (BOTH, {"clusterIP": "None", "clusterIPs": ["None", "10.96.0.8"]}, "'None' must be the first and only value"),
    (BOTH, {"clusterIPs": ["10.96.0.9"]}, "must be empty when `clusterIP` is not specified"),
]


@pytest.mark.parametrize(("ranges", "spec", "why"), REFUSED)
def test_families_that_cannot_be_are_refused_in_the_api_servers_words(
    ranges: str, spec: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        families(world_of(ranges), **spec)


def test_the_second_address_comes_and_goes_with_the_policy_and_the_first_one_stays() -> None:
    world = world_of(BOTH)
    (first,) = (s["spec"]["clusterIPs"] for s in applied(world, service("web", selector={"app": "web"})))
    (both,) = (
        s["spec"]["clusterIPs"]
        for s in applied(world, service("web", selector={"app": "web"}, ipFamilyPolicy="PreferDualStack"))
    )
    assert (both[0], len(both)) == (first[0], 2)
    (one,) = (s["spec"] for s in applied(world, service("web", selector={"app": "web"}, ipFamilyPolicy="SingleStack")))
    assert (one["clusterIPs"], one["ipFamilies"]) == (first, ["IPv4"])
    with pytest.raises(Refused, match="may not change once set"):
        applied(world, service("web", selector={"app": "web"}, ipFamilies=["IPv6"]))


def test_the_second_family_is_released_by_saying_so() -> None:
    world = world_of(BOTH)
    applied(
        world, service("web", selector={"app": "web"}, ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    )
    with pytest.raises(Refused, match="must be 'SingleStack' to release the secondary IP family"):
        applied(world, service("web", selector={"app": "web"}, ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4"]))


def test_a_service_that_prefers_both_stays_as_it_is() -> None:
    world = world_of(FOUR)
    assert families(world, ipFamilyPolicy="PreferDualStack")[1] == ["IPv4"]
    world.apply(Put(("cluster", "settings", ""), Settings(BOTH)))
    assert families(world, ipFamilyPolicy="PreferDualStack", publishNotReadyAddresses=True)[1] == ["IPv4"]
    assert families(world, ipFamilyPolicy="RequireDualStack")[1] == ["IPv4", "IPv6"]

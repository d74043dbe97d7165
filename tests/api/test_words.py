"""Quantities, selectors and ages say what the real ones say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.api import quantity, selectors
from k8slearn.shell.kubectl import ages, tabs

QUANTITIES = {
    "0.5": "500m",
    "1000m": "1",
    "1": "1",
    "1024Mi": "1Gi",
    "1.5Gi": "1536Mi",
    "100Mi": "100Mi",
    "1000": "1k",
    "1500": "1500",
    "1e3": "1e3",
    "0": "0",
    "2Ki": "2Ki",
    "1025Ki": "1025Ki",
    "0.1m": "100u",
}


@pytest.mark.parametrize("written", QUANTITIES)
def test_a_quantity_is_kept_in_its_shortest_form(written: str) -> None:
    assert quantity.canonical(written) == QUANTITIES[written]
    assert quantity.canonical(QUANTITIES[written]) == QUANTITIES[written]


LABELS = {"app": "web", "tier": "front"}
SELECTORS = {
    "": True,
    "app=web": True,
    "app==web,tier!=back": True,
    "app": True,
    "!app": False,
    "!missing": True,
    "app in (api, web)": True,
    "tier notin (front,back),app": False,
    "missing!=x": True,
    "missing notin (x)": True,
}


@pytest.mark.parametrize("text", SELECTORS)
def test_a_selector_on_one_line_means_what_kubectl_means(text: str) -> None:
    assert all(selectors.holds(r, LABELS) for r in selectors.parse(text)) is SELECTORS[text]


keys, values = st.sampled_from("abc"), st.sampled_from("xyz")
labelled = st.dictionaries(keys, values, max_size=3)


@given(keys, st.lists(values, min_size=1, max_size=3), labelled)
def test_in_and_not_in_are_opposites(key: str, wanted: list[str], having: dict[str, str]) -> None:
    inside = {"matchExpressions": [{"key": key, "operator": "In", "values": wanted}]}
    outside = {"matchExpressions": [{"key": key, "operator": "NotIn", "values": wanted}]}
    assert selectors.matches(inside, having) is not selectors.matches(outside, having)


@given(labelled, labelled)
def test_a_services_selector_is_match_labels_unless_it_is_empty(
    selector: dict[str, str], having: dict[str, str]
) -> None:
    assert selectors.equal(selector, having) is (
        bool(selector) and selectors.matches({"matchLabels": selector}, having)
    )


AGES = {0: "0s", 59: "59s", 119: "119s", 120: "2m", 125: "2m5s", 599: "9m59s", 600: "10m", 10799: "179m", 10800: "3h",
        14460: "4h1m", 28800: "8h", 172799: "47h", 172800: "2d", 180000: "2d2h", 691200: "8d", 63072000: "2y",
        63158400: "2y1d", 252288000: "8y"}  # fmt: skip


@pytest.mark.parametrize("seconds", AGES)
def test_an_age_is_written_as_kubectl_writes_it(seconds: int) -> None:
    assert ages.duration(seconds) == AGES[seconds]


def test_a_line_without_a_column_ends_the_column() -> None:
    lines = ["Name:\tweb", "Containers:", "  a:", "    Image:\tnginx", "    Ports:\t80"]
    assert tabs.aligned(lines).splitlines()[:2] == ["Name:  web", "Containers:"]
    assert tabs.aligned(lines).splitlines()[3] == "    Image:  nginx"

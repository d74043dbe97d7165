"""kube-proxy's nftables mode against what the real kube-proxy wrote for the same Services and EndpointSlices.

kubeproxy_nftables.json is a copy of recorded facts; its `source` says where they come from (Kubernetes' own proxier
tests, the real proxier's code, and nft on a real kernel).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from k8slearn.components.kube_proxy import table_parts, transaction
from k8slearn.components.kube_proxy.config import read as configured
from k8slearn.journal import Put, World
from k8slearn.linux import nft

from .test_kube_proxy import FAMILIES, configure, do, sync

TRUTH = json.loads((Path(__file__).parent / "kubeproxy_nftables.json").read_text())
CASES = [pytest.param(case, id=case["id"]) for case in TRUTH["cases"]]


def cluster(config: dict[str, Any]) -> World:
    world = configure(config, {"mode": "nftables", "nftables": {"masqueradeAll": config["masqueradeAll"]}})
    ranges = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": config["serviceCIDRs"].split(",")}}
    world.apply(Put(("api", "servicecidrs", "kubernetes"), ranges))
    return world


def synced(case: dict[str, Any]) -> World:
    """The case's Services, each synced after the others."""
    world, node = cluster(case["config"]), case["config"]["nodeName"]
    sync(world, node)
    do(world, case["steps"][0]["ops"])
    for name in world.table("api", "services"):
        sync(world, f"{node} {name}")
    return world


def in_any_order_of_objects(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Objects in order of their text; the rules of each chain in their own order (`order_rule`)."""
    rules: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("add rule "):
            rules.setdefault(line.split(" ")[4], []).append(line)
    return sorted(line for line in lines if not line.startswith("add rule ")), rules


def blocks(ruleset: str) -> dict[str, list[str]]:
    """Header of a chain, set or map -> its lines; those of a set in any order, an element to a line."""
    found: dict[str, list[str]] = {}
    for header, body in re.findall(r"^\t((?:set|map|chain) \S+) \{\n(.*?)^\t\}", ruleset, re.S | re.M):
        lines = re.sub(r",\n\t* +", ",\n", body).split("\n") if not header.startswith("chain") else body.split("\n")
        plain = [re.sub(r"elements = \{|\}$", "", line).strip(" \t,") for line in lines]
        parts = [piece.strip() for line in plain for piece in (line.split(", ") if header[0] != "c" else [line])]
        found[header] = parts if header.startswith("chain") else sorted(filter(None, parts))
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_object_of_the_table_is_the_one_that_the_real_kube_proxy_makes(case: dict[str, Any]) -> None:
    world, settings = synced(case), case["config"]
    family = FAMILIES[settings["ipFamily"]]
    parts = [part for _, part in table_parts(world, settings["nodeName"], configured(world, family))]
    head = f"{family} kube-proxy"
    ours = [f'add table {head} {{ comment "rules for kube-proxy" ; }}']
    ours += [*transaction.declared(family, parts), *transaction.ruled(family, parts)]
    elements = dict.fromkeys(entry for part in parts for entry in part.elements)
    ours += [f"add element {head} {entry.set} {{ {entry} }}" for entry in elements]
    expected = case["steps"][0]["real_code_dump"].splitlines()
    assert in_any_order_of_objects(ours) == in_any_order_of_objects(expected)


@pytest.mark.parametrize("case", CASES)
def test_nft_lists_on_a_node_what_it_listed_on_a_real_kernel(case: dict[str, Any]) -> None:
    settings = case["config"]
    family = FAMILIES[settings["ipFamily"]]
    ours = listed(synced(case), settings["nodeName"], family)
    assert blocks(ours) == blocks(case["steps"][0]["kernel_nft_list_ruleset"])


def listed(world: World, node: str, family: str) -> str:
    store = nft.Store(world, f"node:{node}")
    return nft.run(store, f"list table {family} kube-proxy")


@pytest.mark.root
@pytest.mark.parametrize("case", CASES)
def test_the_real_nft_takes_what_a_node_lists(case: dict[str, Any]) -> None:
    if not shutil.which("nft"):
        pytest.skip("nft is not installed")
    world = synced(case)
    text = "".join(listed(world, case["config"]["nodeName"], family) for family in FAMILIES.values())
    said = subprocess.run(["nft", "-c", "-f", "-"], input=text, text=True, capture_output=True, check=False)
    assert said.returncode == 0, said.stderr

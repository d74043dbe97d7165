"""kube-proxy's rules against what the real kube-proxy wrote for the same Services and EndpointSlices.

kubeproxy_iptables.json is a copy of recorded facts; its `source` says where they come from (Kubernetes' own proxier
tests, the real proxier's code, and iptables-save on a real kernel).
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from k8slearn.components.kube_proxy import KubeProxy, everything, rules
from k8slearn.components.kube_proxy.config import CONFIG_MAP, Config
from k8slearn.journal import Put, Remove, World
from k8slearn.linux import iptables
from k8slearn.linux.rows import Netns

TRUTH = json.loads((Path(__file__).parent / "kubeproxy_iptables.json").read_text())
CASES = [pytest.param(case, id=case["id"]) for case in TRUTH["cases"]]
TABLES = {"Service": "services", "EndpointSlice": "endpointslices"}
SHARED = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL")
State = dict[tuple[str, str], list[str]]


def cluster(config: dict[str, Any]) -> World:
    """A world with one node and kube-proxy's ConfigMap."""
    world = World()
    node = {
        "metadata": {"name": config["nodeName"]},
        "status": {"addresses": [{"type": "InternalIP", "address": config["nodeIP"]}]},
    }
    world.apply(Put(("api", "nodes", config["nodeName"]), node))
    scope = f"node:{config['nodeName']}"
    world.apply(Put((scope, "netns", ""), Netns(config["nodeName"], scope)))
    iptables_section = {"masqueradeAll": config["masqueradeAll"], "localhostNodePorts": config["localhostNodePorts"]}
    conf = {
        "clusterCIDR": config["podCIDR"],
        "iptables": iptables_section,
        "nodePortAddresses": config["nodePortAddresses"],
    }
    world.apply(Put(CONFIG_MAP, {"data": {"config.conf": json.dumps(conf)}}))
    return world


def do(world: World, ops: list[dict[str, Any]]) -> None:
    for op in ops:
        thing = op["object"]
        key = ("api", TABLES[thing["kind"]], f"{thing['metadata']['namespace']}/{thing['metadata']['name']}")
        world.apply(Put(key, thing) if op["op"] == "add" else Remove(key))


def sync(world: World, key: str) -> None:
    for command in KubeProxy().reconcile(world, key):
        world.apply(command)


def read(text: str) -> State:
    """(table, chain) -> its rules, from the text that iptables-restore reads."""
    state: State = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            state[table, line[1:].split()[0]] = []
        elif line.startswith("-A"):
            _, chain, rule = line.split(" ", 2)
            state[table, chain].append(rule)
    return state


def in_any_order_of_services(state: State) -> State:
    """Between different Services the order in the shared chains means nothing (`order_rule`); within one it stays."""
    ordered = dict(state)
    for (table, chain), found in state.items():
        if chain in SHARED:
            by_service = defaultdict(list)
            for rule in found:
                words = rule.partition("--comment ")[2].strip('"')
                by_service["~" if "must be the last rule" in words else words.split()[0].strip('"')].append(rule)
            ordered[table, chain] = [rule for service in sorted(by_service) for rule in by_service[service]]
    return ordered


@pytest.mark.parametrize("case", CASES)
def test_every_rule_is_the_one_that_the_real_kube_proxy_feeds_to_iptables_restore(case: dict[str, Any]) -> None:
    settings = case["config"]
    world = cluster(settings)
    for step in case["steps"]:
        do(world, step["ops"])
        config = Config(
            settings["podCIDR"],
            settings["masqueradeAll"],
            random_fully=settings["randomFully"],
            recent=True,
            counters=tuple(settings["nfacctCounters"]),
            conntrack_tcp_liberal=settings["conntrackTCPLiberal"],
        )
        chains = everything(world, settings["nodeName"], config)
        ours = {(w.table, w.chain): [line.text for line in w.lines] for w in chains}
        expected = {k: v for k, v in read(step["full_state_after_sync"]).items() if k[1].startswith("KUBE-")}
        assert in_any_order_of_services(ours) == in_any_order_of_services(expected)


def _like_ours(case: dict[str, Any]) -> bool:
    """Not from a kernel that is lenient about TCP, nor one with the match `recent`."""
    lenient = case["config"]["conntrackTCPLiberal"]
    return not lenient and not any("-m recent" in step["full_state_after_sync"] for step in case["steps"])


@pytest.mark.parametrize("case", [param for param in CASES if _like_ours(param.values[0])])
def test_iptables_save_on_a_node_prints_what_it_printed_on_a_real_kernel(case: dict[str, Any]) -> None:
    settings = case["config"]
    world = cluster(settings)
    for step in case["steps"]:
        do(world, step["ops"])
        for key in (
            settings["nodeName"],
            *(f"{settings['nodeName']} {name}" for name in world.table("api", "services")),
        ):
            sync(world, key)
        saved = iptables.save(world, f"node:{settings['nodeName']}", tables=("filter", "nat"))
        ours = {
            k: [r.replace(" --random-fully", "") for r in v] for k, v in read(saved).items() if k[1] != rules.CANARY
        }
        assert in_any_order_of_services(ours) == in_any_order_of_services(
            read(step["kernel_iptables_save_without_nfacct"])
        )

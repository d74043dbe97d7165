"""kube-proxy's rules against what the real kube-proxy wrote for the same Services and EndpointSlices.

kubeproxy_iptables.json is a copy of recorded facts; its `source` says where they come from (Kubernetes' own proxier
tests, the real proxier's code, and iptables-save on a real kernel).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from k8slearn.components.kube_proxy import KubeProxy, everything, rules
from k8slearn.components.kube_proxy.config import CONFIG_MAP
from k8slearn.components.kube_proxy.config import read as configured
from k8slearn.journal import Put, Remove, World
from k8slearn.linux import iptables
from k8slearn.linux.rows import Address, Netns

TRUTH = json.loads((Path(__file__).parent / "kubeproxy_iptables.json").read_text())
WHOLE = [case for case in TRUTH["cases"] if "full_state_after_sync" in case["steps"][0]]
CASES = [pytest.param(case, id=case["id"]) for case in WHOLE]
FAMILIES = {"IPv4": "ip", "IPv6": "ip6"}
TABLES = {"Service": "services", "EndpointSlice": "endpointslices"}
SHARED = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL")
INTERFACES = ("192.168.0.2", "192.168.1.2", "2001:db8::1", "2001:db8:1::2", "127.0.0.1", "::1")
"""The addresses of the node in upstream's tests (`NewFakeNetwork`), as far as a case asks for them."""
UPSTREAM = "expected_restore_input"
State = dict[tuple[str, str], list[str]]


def cluster(config: dict[str, Any]) -> World:
    """A world with one node and kube-proxy's ConfigMap."""
    iptables_section = {"masqueradeAll": config["masqueradeAll"], "localhostNodePorts": config["localhostNodePorts"]}
    return configure(
        config, {"iptables": iptables_section, "conntrack": {"tcpBeLiberal": config["conntrackTCPLiberal"]}}
    )


def configure(config: dict[str, Any], mode: dict[str, Any]) -> World:
    """The same, with the fields that are a mode's own."""
    world = World()
    node = {
        "metadata": {"name": config["nodeName"], "labels": config["topologyLabels"]},
        "status": {"addresses": [{"type": "InternalIP", "address": config["nodeIP"]}]},
    }
    world.apply(Put(("api", "nodes", config["nodeName"]), node))
    scope = f"node:{config['nodeName']}"
    world.apply(Put((scope, "netns", ""), Netns(config["nodeName"], scope, ipv6=True)))
    conf = {"clusterCIDR": config["podCIDR"], "nodePortAddresses": config["nodePortAddresses"], **mode}
    world.apply(Put(CONFIG_MAP, {"data": {"config.conf": json.dumps(conf)}}))
    for number, address in enumerate(INTERFACES):
        world.apply(Put((scope, "addr", number), Address("eth0", address, 24)))
    return world


def do(world: World, ops: list[dict[str, Any]]) -> None:
    for op in ops:
        thing = op["object"]
        if said := op.get("endpoints_generator"):
            count, net = re.fullmatch(r"(\d+) endpoints: .*'10\.(\d)\..*", said).groups()  # type: ignore[union-attr]
            addresses = (f"10.{net}.{i % 256}.{i // 256}" for i in range(int(count)))
            thing = {**thing, "endpoints": [{"addresses": [address]} for address in addresses]}
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
        config = configured(world, FAMILIES[settings["ipFamily"]])._replace(
            random_fully=settings["randomFully"], counters=tuple(settings["nfacctCounters"])
        )
        chains = everything(world, settings["nodeName"], config)
        ours = {(w.table, w.chain): [line.text for line in w.lines] for w in chains}
        expected = {k: v for k, v in read(_wanted(step)).items() if k[1].startswith("KUBE-")}
        assert in_any_order_of_services(ours) == in_any_order_of_services(expected)


def _wanted(step: dict[str, Any]) -> str:
    """What is expected; where the version that ran wrote an endpoint's address as it came, what upstream writes."""
    said: str = step["full_state_after_sync" if step["real_code_matches_upstream_dump"] is not False else UPSTREAM]
    return said


RAN = [p for p in CASES if "kernel_iptables_save_without_nfacct" in p.values[0]["steps"][0]]


@pytest.mark.parametrize("case", RAN)
def test_iptables_save_on_a_node_prints_what_it_printed_on_a_real_kernel(case: dict[str, Any]) -> None:
    settings = case["config"]
    world, family = cluster(settings), FAMILIES[settings["ipFamily"]]
    for step in case["steps"]:
        do(world, step["ops"])
        for key in (
            settings["nodeName"],
            *(f"{settings['nodeName']} {name}" for name in world.table("api", "services")),
        ):
            sync(world, key)
        saved = iptables.save(world, f"node:{settings['nodeName']}", ("filter", "nat"), family)
        ours = {
            k: [r.replace(" --random-fully", "") for r in v] for k, v in read(saved).items() if k[1] != rules.CANARY
        }
        assert in_any_order_of_services(ours) == in_any_order_of_services(
            read(step["kernel_iptables_save_without_nfacct"])
        )


def test_a_large_cluster_loses_its_comments_service_by_service() -> None:
    case = next(case for case in TRUTH["cases"] if case["id"] == "large-cluster")
    world, node = cluster(case["config"]), case["config"]["nodeName"]
    for step in case["steps"]:
        changed = {op["object"]["metadata"]["namespace"] for op in step["ops"]}
        do(world, step["ops"])
        if step.get("forceFullSync"):
            world.apply(Remove((f"node:{node}", "kube-proxy", "")))
        whole = world.get((f"node:{node}", "kube-proxy", "")) is None
        names = [name for name in world.table("api", "services") if name.split("/")[0] in changed]
        keys = [node] if whole else [f"{node} {name}" for name in names]
        written = [c for key in keys for c in list(KubeProxy().reconcile(world, key))]
        for command in written:
            world.apply(command)
        _has_the_lines(written, step["expected_lines"])


def _has_the_lines(written: list[Any], expected: dict[str, Any]) -> None:
    sep = [c for c in written if isinstance(c, Put) and c.key[1] == "chain" and "KUBE-SEP-" in c.key[2][2]]
    said = [
        f"-A {c.key[2][2]} {iptables.rule_text(rule)}" for c in sep for rule in c.value.rules if rule.target == "DNAT"
    ]
    assert len(said) == expected["dnat_rules"]
    assert sum("--comment" in line for line in said) == expected.get("dnat_rules_with_comment", 0)
    for line in expected["contains"]:
        _, chain, rule = line.split(" ", 2)
        assert f"-A {chain} {iptables.rule_text(iptables.parse_rule(rule))}" in said

"""What aws-node writes on its node once, when it starts, and for each further ENI (pkg/networkutils).

Pods talk to the VPC with their own address. To the world outside they go by the primary ENI with the node's: a packet
from a pod that leaves the VPC is marked (AWS-CONNMARK-CHAIN-0), the mark looks in the main table (rule 1024), and
AWS-SNAT-CHAIN-0 gives it the node's address. What came in by the primary ENI for a NodePort is marked too, so that the
answer of a pod on another ENI leaves where the question came in.

Left out: ``AWS_VPC_K8S_CNI_EXTERNALSNAT`` and other settings of the environment but the warm pool's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from k8slearn.cni import cri, ipamd, skel
from k8slearn.cni.ec2 import Eni
from k8slearn.journal import Commands, Key, Put, World
from k8slearn.linux import addr, ip, link, route, rule
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rows import Address, Route, Rule
from k8slearn.linux.rules import BUILT_IN, Chain

SNAT, CONNMARK = "AWS-SNAT-CHAIN-0", "AWS-CONNMARK-CHAIN-0"
MARK = 0x80
PRIMARY, OWN = '-m comment --comment "AWS, primary ENI"', '-m comment --comment "AWS, CONNMARK"'
RESTORE = f"-j CONNMARK --restore-mark --mask {MARK:#x}"
BY_MARK = Rule("ip", 1024, "main", mark=MARK, mask=MARK)
FROM_ENI = 32765
CONFLIST = "/etc/cni/net.d/10-aws.conflist"


def prepare(world: World, node: str, subnet: str, env: Mapping[str, str]) -> Commands:
    """`SetupHostNetwork`, once for each start of the agent: what somebody deletes later stays deleted."""
    started = next((row.id for row in world.table(node, "container").values() if _is_it(row)), "")
    note: Key = (node, "wired", "aws-node")
    if world.get(note) == started:
        return
    yield Put(note, started)
    yield Put((node, "sysctl", "net.ipv4.conf.eth0.rp_filter"), "2")
    if world.get((node, "rule", rule.name(BY_MARK))) is None:
        yield from rule.add(world, node, BY_MARK, BY_MARK.priority)
    primary: Address = next(row for row in world.table(node, "addr").values() if row.dev == "eth0")
    for table, name, text in _rules(subnet, primary.address):
        yield from _append(world, node, table, name, text)
    yield Put((node, "file", f"{skel.BINARIES}/aws-cni"), skel.binary("aws-cni"))
    yield Put((node, "file", CONFLIST), conflist(env))


def conflist(env: Mapping[str, str]) -> str:
    """The network's configuration: written last, when ipamd can answer."""
    plugin = {
        "name": "aws-cni",
        "type": "aws-cni",
        "vethPrefix": env.get("AWS_VPC_K8S_CNI_VETHPREFIX") or "eni",
        "mtu": env.get("AWS_VPC_ENI_MTU") or "9001",
        "podSGEnforcingMode": "strict",
        "pluginLogFile": "/var/log/aws-routed-eni/plugin.log",
        "pluginLogLevel": "DEBUG",
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    whole = {"cniVersion": "0.4.0", "name": "aws-cni", "disableCheck": True, "plugins": [plugin, portmap]}
    return json.dumps(whole, indent=2) + "\n"


def _is_it(row: cri.Container) -> bool:
    return row.program == ipamd.PROGRAM and row.state == cri.RUNNING


def _rules(subnet: str, address: str) -> list[tuple[str, str, str]]:
    """(table, chain, rule), in the order in which they are appended."""
    leaves = '-m comment --comment "AWS, SNAT" -m addrtype ! --dst-type LOCAL'
    return [
        ("nat", "POSTROUTING", f'-m comment --comment "AWS SNAT CHAIN" -j {SNAT}'),
        ("nat", SNAT, f'-d {subnet} -m comment --comment "AWS SNAT CHAIN" -j RETURN'),
        ("nat", SNAT, f"! -o vlan+ {leaves} -j SNAT --to-source {address} --random-fully"),
        (
            *("mangle", "PREROUTING"),
            f"-i eth0 {PRIMARY} -m addrtype --dst-type LOCAL --limit-iface-in "
            f"-j CONNMARK --set-mark {MARK:#x}/{MARK:#x}",
        ),
        ("mangle", "PREROUTING", f"-i eni+ {PRIMARY} {RESTORE}"),
        ("mangle", "PREROUTING", f"-i vlan+ {PRIMARY} {RESTORE}"),
        ("nat", "PREROUTING", f'-i eni+ -m comment --comment "AWS, outbound connections" -j {CONNMARK}'),
        ("nat", CONNMARK, f'-d {subnet} -m comment --comment "AWS CONNMARK CHAIN" -j RETURN'),
        ("nat", CONNMARK, f"{OWN} -j CONNMARK --set-xmark {MARK:#x}/{MARK:#x}"),
        ("nat", "PREROUTING", f"{OWN} {RESTORE}"),
    ]


def _append(world: World, node: str, table: str, name: str, text: str) -> Commands:
    key: Key = (node, "chain", ("ip", table, name))
    chain: Chain = world.get(key) or Chain(policy="ACCEPT" if name in BUILT_IN[table] else "")
    parsed = parse_rule(text)
    if parsed not in chain.rules:
        yield Put(key, Chain((*chain.rules, parsed), chain.policy))


def eni(world: World, node: str, eni: Eni, subnet: str) -> Commands:
    """`setupENINetwork`: a further ENI has its address, and a routing table of its own in place of the main one's."""
    base, prefix = ip.network(subnet)
    gateway, table = ip.text(base + 1), str(eni.device + 1)
    yield from link.set_up(world, node, eni.link)
    yield from addr.add(world, node, eni.link, f"{eni.primary}/{prefix}", broadcast="+")
    yield from route.replace(world, node, Route(f"{gateway}/32", dev=eni.link, scope="link", table=table))
    yield from route.replace(world, node, Route(ip.ANY, via=gateway, dev=eni.link, table=table))
    yield from route.delete(world, node, f"{ip.text(base)}/{prefix}", dev=eni.link)
    yield from rule.add(world, node, Rule("ip", FROM_ENI, table, src=f"{eni.primary}/32"), FROM_ENI)

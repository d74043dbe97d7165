"""What the plugin left on the node, whatever its text is."""

import re
from ipaddress import ip_address, ip_network
from itertools import permutations

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def addresses(work: Work) -> dict[str, str]:
    """The address of each of the two Pods that stay."""
    found = {}
    for which in ("one", "two"):
        name = work.variant[which]
        try:
            found[name] = str(work.cluster.get("pod", name)["status"].get("podIP", ""))
        except Refused:
            raise Failed(f"{name} is not there.") from None
        if not found[name]:
            said = f"{name} has no address yet."
            raise Failed(said, "`kubectl describe pod`: what did the runtime say of your plugin?")
    return found


@check("addresses", asks="Each Pod has an address of its own, out of the range.")
def own_addresses(work: Work) -> None:
    found = addresses(work)
    wanted = ip_network(f"10.{work.variant['octet']}.0.0/24")
    for name, address in found.items():
        if ip_address(address) not in wanted:
            raise Failed(f"{name} has {address}, which is not in {wanted}.", "What does your ADD answer in `ips`?")
    if len(set(found.values())) < len(found):
        raise Failed(f"{' and '.join(found)} both have {found.popitem()[1]}.", "How does ADD know what is taken?")


@check("node", asks="The node reaches the Pods.")
def node(work: Work) -> None:
    for name in addresses(work):
        work.connects("node:node-1", f"default/{name}", work.variant["port"], hint="Law 2: agents reach their Pods.")


@check("pods", asks="The Pods reach each other.")
def pods(work: Work) -> None:
    for source, destination in permutations(addresses(work), 2):
        hint = "Which row of the Pod's own table leads there?"
        work.connects(f"default/{source}", f"default/{destination}", work.variant["port"], hint=hint)


@check("cleaned", asks="Nothing of the deleted Pod is left on the node.")
def cleaned(work: Work) -> None:
    stays = addresses(work)
    if f"default/{work.variant['goes']}" in work.pods("default"):
        raise Failed(f"{work.variant['goes']} is still there.", "Delete it, and let some time pass.")
    node, octet = work.cluster.node("node-1"), work.variant["octet"]
    known = {*stays.values(), *re.findall(r"inet ([\d.]+)", node.run("ip addr").stdout)}
    lines = [*node.run("ip route").stdout.splitlines(), *node.run("iptables-save -t nat").stdout.splitlines()]
    for line in lines:
        for address in re.findall(rf"\b10\.{octet}\.0\.\d+(?![\d/])|\b10\.{octet}\.0\.\d+(?=/32)", line):
            if address not in known:
                raise Failed(f"This is left on node-1: {line}", "What does your function do when the command is DEL?")
    cables = [line.split("@")[0] for line in node.run("ip -br link show type veth").stdout.splitlines()]
    if len(cables) > len(stays) + 1:
        raise Failed(f"For {len(stays)} Pods there are {', '.join(cables)}.", "Which cable was the deleted Pod's?")


@check("outside", asks="The Pods reach the world outside.")
def outside(work: Work) -> None:
    for name in addresses(work):
        work.connects(f"default/{name}", "outside", 80, hint="Who out there knows a way back to the Pod's address?")


@hint
def now(work: Work) -> str:
    """What the runtime finds, and what became of the Pods, as things stand."""
    node = work.cluster.node("node-1")
    files, programs = (node.run(f"ls {folder}").stdout.split() for folder in ("/etc/cni/net.d", "/opt/cni/bin"))
    mine = "is" if work.variant["plugin"] in programs else "is not"
    pods = [f"{p['metadata']['name']} {p['status'].get('podIP') or 'none'}" for p in work.cluster.get("pods")]
    told = f"{work.variant['plugin']} {mine} installed, /etc/cni/net.d has {', '.join(files) or 'nothing'}"
    return f"As things stand {told}; addresses: {', '.join(pods)}."

"""Each answer is read off the same Pods under that plugin."""

from ipaddress import ip_address, ip_network
from typing import Any

from k8slearn import Cluster
from k8slearn.grading.checks import Work, check, hint


def under(work: Work, which: str) -> Cluster:
    """The learner's first cluster, with another plugin."""
    names, network = work.variant, work.variant[f"ask.{which}"]
    asked = (f"default/{names['client']}", f"default/{names['server']}", names["port"])
    return work.once(wired, work.at(work.started), network, *asked)


def wired(cluster: Cluster, network: str, *asked: Any) -> Cluster:
    return cluster.compare([network], *asked).clusters[network]


def sent(work: Work, which: str):
    names = work.variant
    return work.once(
        under(work, which).trace, f"default/{names['client']}", f"default/{names['server']}", names["port"]
    )


@check("around", asks="You know what is on the wire.")
def around(work: Work) -> None:
    wrapped = [step.after for step in sent(work, "one").steps if step.after.inner]
    kinds = {"udp": "VXLAN", "ipip": "IP-in-IP"}
    found = kinds[wrapped[0].proto] if wrapped else "nothing"
    work.chose("around", found, 'Listen: trace.capture("node:node-1", "eth0").')


@check("room", asks="You know what it costs.")
def room(work: Work) -> None:
    shown = under(work, "one").pod(work.variant["client"]).run("ip -o link show eth0").stdout
    work.chose("room", 1500 - int(shown.split("mtu ")[1].split()[0]), "ip link show eth0, in the Pod: mtu.")


@check("whose", asks="You know whose addresses the Pods have.")
def whose(work: Work) -> None:
    address = ip_address(under(work, "two").get("pod", work.variant["server"])["status"]["podIP"])
    ranges = {"the node network": "192.168.64.0/24", "the Pod network": "10.244.0.0/16"}
    inside = next(name for name, cidr in ranges.items() if address in ip_network(cidr))
    work.chose("whose", inside, f"kubectl get pods -o wide, with {work.variant['ask.two']}.")


@check("ttl", asks="You know which of them routes, and how often.")
def ttl(work: Work) -> None:
    arrived = next(step.before.ttl for step in sent(work, "three").steps if step.what == "deliver")
    work.chose("ttl", arrived, "It is in the comparison, and in the steps of the trace.")


@check("rules", asks="You know who knows the Services.")
def rules(work: Work) -> None:
    saved = under(work, "three").node(work.variant["place.near"]).run("iptables-save -t nat").stdout
    work.chose("rules", "yes" if "KUBE-SVC" in saved else "no", "iptables-save -t nat, on a node of that cluster.")


@hint
def now(work: Work) -> str:
    """What the client's cluster is like under its own plugin, to compare with."""
    names = work.variant
    trace = work.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    arrived = next((step.before.ttl for step in trace.steps if step.what == "deliver"), "none")
    shown = work.cluster.pod(names["client"]).run("ip -o link show eth0").stdout
    mtu = shown.split("mtu ")[1].split()[0]
    return f"In your own cluster, wired by bridge, nothing is around it: Pod's mtu {mtu}, TTL on arrival {arrived}."

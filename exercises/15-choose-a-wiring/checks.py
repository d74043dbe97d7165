"""Whatever plugin was chosen: what must work works, what must not does not, and the answers are of this cluster."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


@check("everybody", points=3, asks="Every Pod that may reaches every Pod, and is seen with its own address.")
def everybody(work: Work) -> None:
    for source, destination in permutations(("shop", "guest", "db"), 2):
        if (source, destination) == ("guest", "db"):
            continue
        found = work.cluster.get("pod", work.variant[source])["status"].get("podIP")
        if not found:
            raise Failed(f"{work.variant[source]} has no address yet.", "kubectl get nodes; kubectl describe pod")
        hint = "Does the router between the subnets have to know this address?"
        work.connects(pod(work, source), pod(work, destination), work.variant["port"], source_seen=found, hint=hint)


@check("policy", points=2, asks="The NetworkPolicy is there, and is enforced.")
def policy(work: Work) -> None:
    if not work.cluster.get("pod", work.variant["db"])["status"].get("podIP"):
        raise Failed(f"{work.variant['db']} has no address yet: nobody reaches it, and no policy is the reason.")
    names = [each["metadata"]["name"] for each in work.cluster.get("networkpolicies")]
    if work.variant["db"] not in names:
        raise Failed(f"The NetworkPolicy {work.variant['db']} is gone.")
    work.blocked(pod(work, "guest"), pod(work, "db"), work.variant["port"], hint="Who reads NetworkPolicies here?")


@check("wire", points=2, asks="You know what is around a packet between the subnets, in your own cluster.")
def wire(work: Work) -> None:
    """Of the question's first packet, whether or not an answer comes."""
    legs = work.trace(pod(work, "shop"), pod(work, "db"), work.variant["port"]).legs
    wrapped = [step.after for leg in legs for step in leg.steps if step.after.inner or step.after.cipher]
    around = "wireguard" if any(p.cipher for p in wrapped) else "vxlan" if any(p.vni for p in wrapped) else "nothing"
    around = "ipip" if around == "nothing" and any(p.proto == "ipip" for p in wrapped) else around
    work.chose("wire", around, "Listen on a node's eth0.")


@check("why", asks="You know which requirement flannel cannot meet.")
def why(work: Work) -> None:
    work.chose("why", "policy", "Of flannel's ways (VXLAN, host-gw) and of its parts, which one would do it?")


@hint
def now(work: Work) -> str:
    """Which Pods have an address, and who reaches whom, as things stand."""
    waiting = [p["metadata"]["name"] for p in work.cluster.get("pods") if not p["status"].get("podIP")]
    if waiting:
        return (
            f"As things stand these Pods have no address: {', '.join(waiting)}. No node has a network plugin for them."
        )
    pairs = permutations([pod(work, which) for which in ("shop", "guest", "db")], 2)
    seen = [f"{a} to {b} {work.trace(a, b, work.variant['port']).outcome}" for a, b in pairs]
    return f"As things stand: {', '.join(seen)}."

"""Each answer is read off the first packet's steps, in the cluster as the learner found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


def sent(work: Work, which: str):
    """The trace of the client's first packet to this Pod."""
    names = work.variant
    return work.at(work.started).trace(f"default/{names['client']}", f"default/{names[which]}", names["port"])


def asked_for(work: Work, which: str) -> str:
    """Whose address the client asks its neighbours for."""
    asks = next(step.says for step in sent(work, which).steps if step.what == "arp")
    found, names = work.at(work.started), work.variant
    owners = {found.get("pod", names[pod])["status"]["podIP"]: names[pod] for pod in ("near", "far")}
    return owners.get(asks.removeprefix("who has ").partition("?")[0], "the gateway")


def sender(work: Work, which: str) -> str:
    """Whose MAC the frame of the first packet that arrives has."""
    mac = next(step.before.eth_src for step in sent(work, which).steps if step.what == "deliver")
    found, names = work.at(work.started), work.variant
    links = {names["client"]: found.pod(names["client"]).run("ip link show eth0").stdout}
    for node in (names["place.near"], names["place.far"]):
        links[f"the bridge of {node}"] = found.node(node).run("ip link show cni0").stdout
    return next(owner for owner, shown in links.items() if mac in shown)


@check("arp-near", asks="You know for whom a Pod asks on its own link.")
def arp_near(work: Work) -> None:
    work.chose("arp-near", asked_for(work, "near"), "Which row of the Pod's routing table fits?")


@check("arp-far", asks="You know for whom a Pod asks when the destination is elsewhere.")
def arp_far(work: Work) -> None:
    work.chose("arp-far", asked_for(work, "far"), "Which row of the Pod's routing table fits?")


@check("mac-near", asks="You know what a bridge does to a frame.")
def mac_near(work: Work) -> None:
    work.chose("mac-near", sender(work, "near"), "Does a switch sign what it carries?")


@check("mac-far", asks="You know what a router does to a frame.")
def mac_far(work: Work) -> None:
    work.chose("mac-far", sender(work, "far"), "Which machine sent the last frame, and by which interface?")


@check("ttl", asks="You know who takes one from the TTL.")
def ttl(work: Work) -> None:
    arrived = next(step.before.ttl for step in sent(work, "far").steps if step.what == "deliver")
    work.chose("ttl", arrived, "How many machines forward it?")


@hint
def now(work: Work) -> str:
    """The client's table and the way that its packets take, as things stand."""
    names = work.variant
    rows = work.cluster.pod(names["client"]).run("ip route").stdout.splitlines()
    told = "; ".join(" ".join(row.split()) for row in rows if row.strip())
    addresses = [f"{names[p]} has {work.cluster.get('pod', names[p])['status']['podIP']}" for p in ("near", "far")]
    return f"{names['client']}'s routing table says: {told}. {' and '.join(addresses)}."


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        missing = ", ".join(late) or "No answer"
        raise Failed(f"{missing} was not given before the cluster was touched: reset, and predict.")

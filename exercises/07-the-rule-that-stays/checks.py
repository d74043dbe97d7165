"""Whose address arrives is asked now, and once more after the kubelets have started again."""

from k8slearn.grading.checks import Failed, Work, check, hint

NODES = ("node-1", "node-2")


def seen(cluster, work: Work) -> list[tuple[str, str, str, str]]:
    """(sender, destination, its own address, the address that arrives) of every conversation that matters."""
    names, told = work.variant, []
    for one, other, node in (
        (names["client"], names["server"], names["place.far"]),
        (names["server"], names["client"], names["place.near"]),
    ):
        own = cluster.get("pod", one)["status"]["podIP"]
        for destination, port in ((f"default/{other}", names["port"]), (f"node:{node}", 10250)):
            arrives = cluster.trace(f"default/{one}", destination, port=port).source_seen
            told.append((one, destination, own, str(arrives)))
    return told


def honest(cluster, work: Work, when: str, hint: str) -> None:
    for one, destination, own, arrives in seen(cluster, work):
        if arrives != own:
            raise Failed(f"{when}{destination} sees {arrives}, and {one} has {own}.", hint)


@check("seen", asks="You know whose address arrives, and why.")
def whose(work: Work) -> None:
    work.chose("seen", "the bridge of its own node", "Compare what is seen with the nodes' addresses: ip addr.")


@check("pods", points=2, asks="Every Pod is seen with its own address, by Pods and by nodes.")
def pods(work: Work) -> None:
    honest(work.cluster, work, "", "Which rules with the word kubenet are there, on each of the nodes?")


@check("outside", asks="The world outside answers the Pods, and sees the nodes' addresses.")
def outside(work: Work) -> None:
    touched(work)
    nodes = {address["address"] for node in work.cluster.get("nodes") for address in node["status"]["addresses"]}
    for which in ("client", "server"):
        trace = work.connects(f"default/{work.variant[which]}", "outside", 80)
        if trace.source_seen not in nodes:
            said = f"The world outside sees {trace.source_seen} for {work.variant[which]}."
            raise Failed(said, "A Pod's address means nothing out there: which destinations does your range hold?")


@check("stays", asks="It stays so when the kubelets start again.")
def stays(work: Work) -> None:
    touched(work)
    then = work.cluster.at(work.cluster.journal.revision)
    before = {node: rules(then, node) for node in NODES}
    for node in NODES:
        then.node(node).run("systemctl restart kubelet")
    then.advance(seconds=10)
    for node in NODES:
        more = rules(then, node) - before[node]
        if more:
            said = f"When the kubelet of {node} starts again it writes: {min(more)}."
            raise Failed(said, "What has the kubelet been told, and where?")


def rules(cluster, node: str) -> set[str]:
    """The node's own rules that hide addresses."""
    lines = cluster.node(node).run("iptables -t nat -S POSTROUTING").stdout.splitlines()
    return {line for line in lines if "MASQUERADE" in line}


@check("same", asks="The Pods are the same.")
def same(work: Work) -> None:
    touched(work)
    now, before = (
        {p["metadata"]["name"]: (p["metadata"]["uid"], p["status"].get("podIP")) for p in cluster.get("pods")}
        for cluster in (work.cluster, work.at(work.started))
    )
    if now != before:
        raise Failed("A Pod is another one than before, or has another address.")


def touched(work: Work) -> None:
    """What holds because nobody did anything is nobody's merit."""
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")


@hint
def now(work: Work) -> str:
    """Who is seen as whom, and which of the nodes' rules hide addresses, as things stand."""
    told = [f"{one} is seen by {destination} as {arrives}" for one, destination, _, arrives in seen(work.cluster, work)]
    count = [f"{node} has {len(rules(work.cluster, node))} rules that hide addresses" for node in NODES]
    return f"As things stand {', '.join(told)}; {' and '.join(count)}."

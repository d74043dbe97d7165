"""Evidence is the step that ended a question; mended is a name that leads somewhere, with the name server as it was."""

from k8slearn.grading.checks import Failed, Work, check, hint

ASKED = ("svc:kube-system/kube-dns", 53, "UDP")


def question(cluster, work: Work):
    """The client's question for a name, as a packet."""
    destination, port, protocol = ASKED
    return cluster.trace(f"default/{work.variant['client']}", destination, port=port, protocol=protocol)


@check("where", points=2, asks="Your evidence shows it: the step at which a question for a name ended.")
def where(work: Work) -> None:
    trace, step = work.evidence("where")
    if trace.source != f"default/{work.variant['client']}" or (trace.destination, trace.port, trace.protocol) != ASKED:
        raise Failed("The evidence is of another conversation than the client's question to kube-dns, port 53, UDP.")
    if step.what != "drop":
        raise Failed(f"That step did not end it; it says: {step.says}", "Look for the step that drops.")


@check("heard", asks="You know what the client heard.")
def heard(work: Work) -> None:
    right = {"refused": "a refusal", "timeout": "nothing"}[question(work.at(work.started), work).outcome]
    work.chose("heard", right, "What is the last packet of the trace, and to whom?")


@check("name", asks="You know by which name a Service of another namespace is found.")
def name(work: Work) -> None:
    given = str(work.answer("name").value).strip()
    right = f"{work.variant['service']}.default"
    if given != right:
        raise Failed(f"You answered {given}.", "What is appended to a name in kube-public, entry by entry?")


@check("mended", points=2, asks="The client reaches the Service by its name.")
def mended(work: Work) -> None:
    for fate in question(work.cluster, work).fates():
        if fate.outcome != "connected":
            raise Failed(
                f"The question for a name still ends so: {fate.outcome}.\n{question(work.cluster, work).explain()}"
            )
    work.connects(f"default/{work.variant['client']}", work.variant["service"], work.variant["port"])


@check("same", asks="The name server is the one that it was, and so is what Pods are told.")
def same(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    before, now = (identity(cluster, work) for cluster in (work.at(work.started), work.cluster))
    if before != now:
        raise Failed(
            "CoreDNS, kube-dns or a Pod's /etc/resolv.conf is not what it was.", "Take one thing back, no more."
        )


def identity(cluster, work: Work) -> tuple:
    """Who answers questions for names, at which address, and who is told so."""
    pods = sorted(
        (p["metadata"]["uid"], tuple(p["metadata"]["labels"].items()))
        for p in cluster.get("pods", namespace="kube-system")
        if p["metadata"]["name"].startswith("coredns")
    )
    address = cluster.get("service", "kube-dns", "kube-system")["spec"]["clusterIP"]
    told = cluster.pod(work.variant["client"]).run("cat /etc/resolv.conf /etc/hosts").stdout
    return tuple(pods), address, told


@hint
def now(work: Work) -> str:
    """What becomes of a question for a name, and who is behind kube-dns, as things stand."""
    pieces = work.cluster.get("endpointslices", namespace="kube-system")
    behind = sum(len(piece.get("endpoints") or ()) for piece in pieces)
    outcome, by_address = question(work.cluster, work).outcome, f"svc:default/{work.variant['service']}"
    reached = work.trace(f"default/{work.variant['client']}", by_address, work.variant["port"]).outcome
    return (
        f"As things stand a question to kube-dns is {outcome}, {behind} Pods are behind it, and by address: {reached}."
    )

"""The evidence is a drop on the sender's node; mended is when names work and nothing else has become reachable."""

from k8slearn.grading.checks import Failed, Work, check, hint

DNS = "svc:kube-system/kube-dns"


@check("where", points=2, asks="Your evidence shows it: the question that died, and where.")
def where(work: Work) -> None:
    trace, step = work.evidence("where")
    if step.what != "drop" or (trace.port, trace.protocol) != (53, "UDP"):
        said = f"That step is not where a question for a name ended; it says: {step.says}"
        raise Failed(said, "A question goes to kube-dns, UDP port 53. Which step drops it?")


@check("policy", asks="You know which policy isolates the client.")
def policy(work: Work) -> None:
    work.chose("policy", f"{work.variant['client']}-out", "Which policy selects the client, for which direction?")


@check("mended", points=2, asks="The client reaches the server by its name.")
def mended(work: Work) -> None:
    names = work.variant
    work.connects(f"default/{names['client']}", names["server"], names["port"])


@check("still-isolated", points=2, asks="The client still reaches nobody else, and the reviewed policy stands.")
def still_isolated(work: Work) -> None:
    names = work.variant
    work.blocked(f"default/{names['client']}", f"default/{names['third']}", names["port"])
    for pod in work.pods("kube-system"):
        if "coredns" in pod:
            work.blocked(f"default/{names['client']}", pod, 8080, hint="DNS is port 53, and nothing else.")
    before = work.at(work.started).get("networkpolicy", f"{names['client']}-out")["spec"]
    found = [p for p in work.cluster.get("networkpolicies", namespace="default") if p["spec"] == before]
    if not found:
        raise Failed(
            f"The policy {names['client']}-out is not as it was reviewed.", "Policies add up: write another one."
        )


@hint
def now(work: Work) -> str:
    """What the client reaches as things stand, by name and by address."""
    names = work.variant
    client = f"default/{names['client']}"
    ways = {
        f"{names['server']} by its name": work.trace(client, names["server"], names["port"]).outcome,
        f"{names['server']} by its address": work.trace(
            client, f"svc:default/{names['server']}", names["port"]
        ).outcome,
        "the name server": work.trace(client, DNS, 53, "UDP").outcome,
        names["third"]: work.trace(client, f"default/{names['third']}", names["port"]).outcome,
    }
    return f"As things stand, from {names['client']}: " + ", ".join(f"{to}: {outcome}" for to, outcome in ways.items())

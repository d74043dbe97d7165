"""What was measured is held against every fate of an attempt at the start."""

from k8slearn.grading.checks import Failed, Work, check, hint


def fates(work: Work):
    """Every end of an attempt of the client's, as the learner found the cluster."""
    service = f"svc:default/{work.variant['service']}"
    return work.at(work.started).trace(f"default/{work.variant['client']}", service, work.variant["port"]).fates()


@check("share", asks="You know how often it fails.")
def share(work: Work) -> None:
    failing = sum(float(fate.probability) for fate in fates(work) if fate.outcome != "connected")
    given = work.answer("share").value
    if not isinstance(given, int | float) or abs(given - 100 * failing) >= 1:
        raise Failed(
            f"You answered {given}.", "How many Pods are behind the Service, and does each get the same share?"
        )


@check("pod", asks="You know whom the failing attempts are given.")
def pod(work: Work) -> None:
    answering = {fate.answered_by for fate in fates(work)}
    given = str(work.answer("pod").value).strip().removeprefix("default/")
    behind = work.at(work.started).kubectl(f"get pods -l app={work.variant['service']} -o name").split()
    if f"pod/{given}" not in behind:
        raise Failed(f"{given} is no Pod behind the Service {work.variant['service']}.")
    if f"default/{given}" in answering:
        raise Failed(f"{given} answers {work.variant['client']}.", "Ask the Pods one by one.")


@check("node", asks="You know on which node the cause is.")
def node(work: Work) -> None:
    hint = "Who reaches this Pod, and who does not? What do those have in common who do not?"
    work.chose("node", work.variant["place.far"], hint)


@hint
def one_by_one(work: Work) -> str:
    """What the client and the other one see of each Pod, as things stand."""
    service = work.variant["service"]
    behind = [p for p in work.cluster.get("endpointslices") if p["metadata"]["name"].startswith(f"{service}-")]
    addresses = [a for piece in behind for end in piece["endpoints"] for a in end["addresses"]]
    told = []
    for which in ("client", "other"):
        seen = [
            f"{a} {work.trace(f'default/{work.variant[which]}', a, work.variant['port']).outcome}" for a in addresses
        ]
        told.append(f"{work.variant[which]} sees {', '.join(seen)}")
    return f"One by one, without the Service: {'; '.join(told)}."

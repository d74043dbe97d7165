"""The claim has two parts, and for each of them several steps will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def pod_ip(work: Work) -> str:
    return str(work.at(work.started).get("pod", work.variant["client"])["status"]["podIP"])


def own_address_arrives(work: Work, trace, step) -> bool:
    """The server's socket takes a packet whose source is the Pod's own address."""
    to_server = trace.destination == f"default/{work.variant['server']}"
    return to_server and step.what == "deliver" and str(step.before.src) == pod_ip(work)


def node_hides_it(work: Work, trace, step) -> bool:
    """The rule that masquerades, or the rewriting that follows from it, on the client's node."""
    outward = trace.destination.startswith("outside") and step.where == f"node:{work.variant['place.near']}"
    changed = step.what == "nat" and str(step.before.src) == pod_ip(work) != str(step.after.src)
    return outward and (changed or (step.what == "rule" and "MASQUERADE" in step.says))


PARTS = {
    "that the Pod's own address arrives at the other Pod": own_address_arrives,
    "who puts another address on the way out": node_hides_it,
}


@check("true", asks="Your facts are true of the cluster as you found it.")
def true(work: Work) -> None:
    facts.true(work, "why")


@check("relevant", asks="Every fact bears on the claim.")
def relevant(work: Work) -> None:
    facts.relevant(work, "why", PARTS)


@check("sufficient", points=2, asks="No part of the claim is left without a fact.")
def sufficient(work: Work) -> None:
    facts.sufficient(work, "why", PARTS)


@hint
def so_far(work: Work) -> str:
    """Which parts of the claim the facts show so far."""
    return facts.still_open(work, "why", PARTS)

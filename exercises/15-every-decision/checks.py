"""The claim has five parts; for each of them a step that shows it will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def asked(work: Work, trace) -> bool:
    """The request that the claim is about."""
    names = work.variant
    return (trace.source, trace.destination, trace.port) == (
        f"default/{names['client']}",
        f"svc:default/{names['service']}",
        names["port"],
    )


def near(work: Work, step) -> bool:
    return step.where == f"node:{work.variant['place.near']}"


def chosen(work: Work, trace, step) -> bool:
    """A rule of kube-proxy's, or the translation that it asked for, on the client's node."""
    drawn = step.what == "rule" and step.because is not None and "KUBE-SEP" in step.because.text
    translated = step.what == "nat" and step.says.startswith("destination ")
    return asked(work, trace) and near(work, step) and (drawn or translated)


def known(work: Work, trace, step) -> bool:
    """The client's node finds the Pod's address in its table, and flanneld's link in the row."""
    by_row = step.what == "route" and step.because is not None and "flannel.1" in step.because.text
    return asked(work, trace) and near(work, step) and by_row


def wrapped(work: Work, trace, step) -> bool:
    """The client's node puts the packet into one for the other node, or sends what it wrapped."""
    wraps = "wrapped into" in step.says or (step.what == "send" and step.says.startswith("flannel.1: "))
    return asked(work, trace) and near(work, step) and wraps


def seen(work: Work, trace, step) -> bool:
    """The server takes a packet whose sender is the client itself."""
    client = work.at(work.started).get("pod", work.variant["client"])["status"]["podIP"]
    return asked(work, trace) and step.what == "deliver" and "agnhost" in step.says and step.before.src == client


def back(work: Work, trace, step) -> bool:
    """The answer is given the Service's address, or arrives with it."""
    address = work.at(work.started).get("service", work.variant["service"])["spec"]["clusterIP"]
    translated = near(work, step) and step.what == "nat" and step.says.startswith("source ")
    arrived = step.what == "deliver" and step.before.src == address
    return asked(work, trace) and (translated or arrived)


PARTS = {
    "that a rule chose the Pod": chosen,
    "that a row knew the way": known,
    "that the packet was wrapped": wrapped,
    "whose address the Pod saw": seen,
    "that the answer was translated back": back,
}


@check("true", asks="Your facts are true of the cluster as you found it.")
def true(work: Work) -> None:
    facts.true(work, "why")


@check("relevant", points=2, asks="Every fact bears on the claim.")
def relevant(work: Work) -> None:
    facts.relevant(work, "why", PARTS)


@check("sufficient", points=3, asks="No part of the claim is left without a fact.")
def sufficient(work: Work) -> None:
    facts.sufficient(work, "why", PARTS)


@hint
def so_far(work: Work) -> str:
    """Which parts of the claim the facts show so far."""
    return facts.still_open(work, "why", PARTS)

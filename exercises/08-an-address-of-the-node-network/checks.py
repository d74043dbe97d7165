"""The claim has parts; for each of them a step that shows it will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def asked(work: Work, trace) -> bool:
    """The packet that the claim is about."""
    return (
        trace.source == f"default/{work.variant['client']}" and trace.destination == f"default/{work.variant['server']}"
    )


def on_the_link(work: Work, trace, step) -> bool:
    """The node's row for the destination is one of its link."""
    on_node = step.where == f"node:{work.variant['place.near']}" and step.what == "route"
    by_link = step.because is not None and "dev eth0" in step.because.text and "scope link" in step.because.text
    return asked(work, trace) and on_node and by_link


def answered(work: Work, trace, step) -> bool:
    """The network answers for an address that it has given out."""
    return asked(work, trace) and step.where == "switch" and step.what == "arp" and "answers itself" in step.says


PARTS = {"that the node looks on its own link": on_the_link, "who answers for the Pod's address": answered}


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

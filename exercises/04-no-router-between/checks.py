"""The claim has parts; for each of them a step that shows it will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def asked(work: Work, trace) -> bool:
    """The packet that the claim is about."""
    return (
        trace.source == f"default/{work.variant['client']}" and trace.destination == f"default/{work.variant['server']}"
    )


def neighbours(work: Work, trace, step) -> bool:
    """The row of the link, or the answer of the server to a question on the link."""
    by_link = step.what == "send" and step.because is not None and "scope link" in step.because.text
    answered = step.what == "arp" and " is at " in step.says and "/cni-" in step.where
    return asked(work, trace) and (by_link or answered)


def carried(work: Work, trace, step) -> bool:
    """The bridge looks a MAC address up."""
    on_node = step.where == f"node:{work.variant['place.near']}" and step.what == "bridge"
    return asked(work, trace) and on_node and " is behind " in step.says


PARTS = {"that the two are neighbours": neighbours, "that the bridge carries the frame": carried}


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

"""The claim has parts; for each of them a step that shows it will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def asked(work: Work, trace) -> bool:
    """The packet that the claim is about."""
    return (
        trace.source == f"default/{work.variant['client']}" and trace.destination == f"default/{work.variant['server']}"
    )


def answered_for(work: Work, trace, step) -> bool:
    """The client's node answers for 169.254.1.1."""
    on_node = step.where == f"node:{work.variant['place.near']}" and step.what == "arp"
    return asked(work, trace) and on_node and step.says.startswith("169.254.1.1 is at ")


def taught(work: Work, trace, step) -> bool:
    """The row that BGP taught the client's node."""
    on_node = step.where == f"node:{work.variant['place.near']}" and step.what == "route"
    return asked(work, trace) and on_node and step.because is not None and "proto bird" in step.because.text


PARTS = {"who answers for the gateway": answered_for, "which row leads to the other node": taught}


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

"""The claim has parts; for each of them a step that shows it will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def asked(work: Work, trace) -> bool:
    """The packet that the claim is about."""
    return (
        trace.source == f"default/{work.variant['client']}" and trace.destination == f"default/{work.variant['server']}"
    )


def wrapped(work: Work, trace, step) -> bool:
    """The client's node wraps the packet."""
    on_node = step.where == f"node:{work.variant['place.near']}" and step.what == "transmit"
    return asked(work, trace) and on_node and "wrapped into UDP" in step.says


def unwrapped(work: Work, trace, step) -> bool:
    """The far node unwraps it."""
    on_node = step.where == f"node:{work.variant['place.far']}" and step.what == "receive"
    return asked(work, trace) and on_node and "unwrapped" in step.says


def led_on(work: Work, trace, step) -> bool:
    """The far node sends over its own bridge."""
    on_node = step.where == f"node:{work.variant['place.far']}" and step.what == "route"
    return asked(work, trace) and on_node and step.because is not None and "dev cni0" in step.because.text


PARTS = {
    "who puts the packet into another one": wrapped,
    "who takes it out again": unwrapped,
    "which row leads to the Pod": led_on,
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

"""The claim has parts; for each of them a step that shows it will do."""

from k8slearn.grading import facts
from k8slearn.grading.checks import Work, check, hint


def asked(work: Work, trace) -> bool:
    """The packet that the claim is about."""
    return (
        trace.source == f"default/{work.variant['client']}" and trace.destination == f"default/{work.variant['server']}"
    )


def near_knows_nothing(work: Work, trace, step) -> bool:
    """The client's node sends by its default route."""
    on_node = step.where == f"node:{work.variant['place.near']}" and step.what == "route"
    return asked(work, trace) and on_node and step.because is not None and step.because.text.startswith("default ")


def router_knows(work: Work, trace, step) -> bool:
    """The router forwards by a row for the far node's slice."""
    on_router = step.where == "router" and step.what == "route"
    return asked(work, trace) and on_router and step.before.dport == trace.port


def far_knows(work: Work, trace, step) -> bool:
    """The far node sends over its own bridge."""
    on_node = step.where == f"node:{work.variant['place.far']}" and step.what == "route"
    return asked(work, trace) and on_node and step.because is not None and "cbr0" in step.because.text


PARTS = {
    "that the first node has only its default route": near_knows_nothing,
    "that the router has the row": router_knows,
    "that the second node finds its own Pods": far_knows,
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

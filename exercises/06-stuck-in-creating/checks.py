"""The event says it; the node's folder and the configuration prove it."""

from k8slearn.grading.checks import Work, check


@check("program", points=2, asks="You know which program is missing.")
def program(work: Work) -> None:
    work.chose("program", work.variant["gone.plugin"], "What was not found is at the end of the event's message.")


@check("caller", asks="You know who calls it.")
def caller(work: Work) -> None:
    work.chose("caller", work.variant["gone.caller"], "Does it stand in the list, or in a plugin's part `ipam`?")


@check("old", asks="You know what a running Pod needs of its plugin.")
def old(work: Work) -> None:
    names = work.variant
    found = work.at(work.started).trace("node:node-1", f"default/{names['early']}", names["port"])
    work.chose("old", found.outcome, 'Ask it: `cluster.trace("node:node-1", …)`.')

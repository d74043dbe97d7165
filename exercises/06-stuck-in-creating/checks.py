"""The event says it; the node's folder and the configuration prove it."""

from k8slearn.grading.checks import Work, check, hint


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


@hint
def event(work: Work) -> str:
    """What the runtime was told, in the plugin's own words."""
    told = [e["message"] for e in work.cluster.get("events") if e["involvedObject"]["name"] == work.variant["late"]]
    programs = work.cluster.node("node-1").run("ls /opt/cni/bin").stdout.split()
    return f"The last event of {work.variant['late']}: {told[-1]} In /opt/cni/bin there are: {', '.join(programs)}."

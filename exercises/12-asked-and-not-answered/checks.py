"""Evidence is the drop on the visitor's way or on the answer's; mended is an answer at both nodes."""

from k8slearn.grading.checks import Failed, Work, check, hint


@check("where", points=2, asks="Your evidence shows it: the step that ended a visitor's connection.")
def where(work: Work) -> None:
    trace, step = work.evidence("where")
    if trace.source.partition(":")[0] != "outside" or trace.outcome == "connected":
        raise Failed("The evidence is no visitor's connection that failed: its source is `outside`.")
    if step.what != "drop":
        raise Failed(f"That step did not end it; it says: {step.says}", "Look for a step that drops, on either way.")


@check("why", asks="You know why.")
def why(work: Work) -> None:
    work.chose("why", work.variant["fault.why"])


@check("mended", points=2, asks="Visitors are answered at both nodes, and from inside it is reached as before.")
def mended(work: Work) -> None:
    names = work.variant
    for node in ("node-1", "node-2"):
        work.connects("outside", f"node:{node}", names["node_port"])
    work.connects(f"default/{names['client']}", f"svc:default/{names['service']}", 80)


@hint
def now(work: Work) -> str:
    """What each node gives a visitor as things stand, and how far the packet comes."""
    told = []
    for node in ("node-1", "node-2"):
        trace = work.trace("outside", f"node:{node}", work.variant["node_port"])
        met = any(step.what == "deliver" for step in trace.steps)
        told.append(f"{node} {trace.outcome}, the packet {'reached' if met else 'did not reach'} the Pod")
    return f"As things stand, for a visitor: {'; '.join(told)}."

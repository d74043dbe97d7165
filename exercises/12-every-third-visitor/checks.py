"""Every node is asked from outside, and every possible endpoint counts."""

from k8slearn.grading.checks import Failed, Work, check, hint

VISITOR = "203.0.113.7"
NODES = ("node-1", "node-2", "node-3")


@check("answers", points=2, asks="A visitor gets an answer at every node.")
def answers(work: Work) -> None:
    for node in NODES:
        work.connects("outside", f"node:{node}", work.variant["node_port"], hint="What does this node lack?")


@check("seen", points=2, asks="Whoever answers sees the visitor's own address.")
def seen(work: Work) -> None:
    for node in NODES:
        for fate in work.trace("outside", f"node:{node}", work.variant["node_port"]).fates():
            if fate.outcome == "connected" and fate.source_seen != VISITOR:
                said = f"Who comes in by {node} is seen as {fate.source_seen}, not as {VISITOR}."
                raise Failed(said, "Which policy masquerades, and why?")


@check("inside", asks="From inside it is reached as before, and only Pods of the Service answer.")
def inside(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    names = work.variant
    source = f"default/{names['client']}"
    for fate in work.connects(source, f"svc:default/{names['service']}", 80).fates():
        if fate.answered_by == source:
            raise Failed(f"{source} answers itself: it became an endpoint of {names['service']}.")


@hint
def now(work: Work) -> str:
    """What a visitor meets at each node as things stand."""
    told = []
    for node in NODES:
        trace = work.trace("outside", f"node:{node}", work.variant["node_port"])
        seen_as = f", seen as {trace.source_seen}" if trace.outcome == "connected" else ""
        told.append(f"{node} {trace.outcome}{seen_as}")
    return f"As things stand, a visitor meets: {'; '.join(told)}."

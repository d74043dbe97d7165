"""Each prediction is held against a trace in the cluster as the learner found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


def asked(work: Work):
    """What happens at the start, whatever the learner has done since."""
    names = work.variant
    return work.at(work.started).trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])


@check("first", asks="You know where the first datagram goes.")
def first(work: Work) -> None:
    work.chose("first", work.variant["place.third"], "Route, neighbour, forwarding table: in this order.")


@check("outcome", asks="You know whether the packet arrives.")
def outcome(work: Work) -> None:
    work.chose("outcome", asked(work).outcome, "What does the machine that gets the datagram do with what is in it?")


@check("ttl", asks="You know how many routers the packet passed.")
def ttl(work: Work) -> None:
    arrived = next(step.before.ttl for step in asked(work).steps if step.what == "deliver")
    work.chose("ttl", arrived, "Each machine that forwards the Pod's packet takes one. The switch does not.")


@check("sees", asks="You know what an overlay leaves alone.")
def sees(work: Work) -> None:
    work.chose("sees", "the Pod's", "Law 3 holds in an overlay, too.")


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        raise Failed(
            f"{', '.join(late) or 'No answer'} came before the cluster was touched: reset, predict, then send."
        )


@hint
def tables(work: Work) -> str:
    """The three tables of the client's node, each asked for what the one before it said."""
    names, node = work.variant, work.cluster.node(work.variant["place.near"])
    address = work.cluster.get("pod", names["server"])["status"]["podIP"]
    route = " ".join(node.run(f"ip route get {address}").stdout.split(" uid")[0].split())
    neighbours = [
        " ".join(row.split()[:3]) for row in node.run("ip neigh show dev flannel.1").stdout.splitlines() if row
    ]
    return f"On {names['place.near']}: {route}. Its neighbours on flannel.1: {'; '.join(neighbours)}."

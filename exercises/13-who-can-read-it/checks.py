"""Each answer is held against the packets of the learner's own cluster, as they found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


def said(work: Work, source: str, destination: str) -> str:
    """``cipher`` where any frame of the conversation was encrypted."""
    port = 80 if destination == "outside" else work.variant["port"]
    trace = work.at(work.started).trace(source, destination, port)
    return "cipher" if any(step.after.cipher for step in trace.steps) else "plain"


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


@check("near", asks="You know what becomes of a packet that stays on its node.")
def near(work: Work) -> None:
    work.chose("near", said(work, pod(work, "client"), pod(work, "near")), "Which machine does it leave?")


@check("far", asks="You know what becomes of a packet between Pods of two nodes.")
def far(work: Work) -> None:
    work.chose("far", said(work, pod(work, "client"), pod(work, "far")), "`wg show`: whose allowed ips are these?")


@check("host", asks="You know what becomes of a packet that the node itself sends to a Pod.")
def host(work: Work) -> None:
    right = said(work, f"node:{work.variant['place.here']}", pod(work, "far"))
    work.chose("host", right, "Does this packet take the tunnel, and is there one?")


@check("out", asks="You know what becomes of a packet to the world outside.")
def out(work: Work) -> None:
    work.chose("out", said(work, pod(work, "client"), "outside"), "Who could decrypt it there?")


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        raise Failed(
            f"{', '.join(late) or 'No answer'} came before the cluster was touched: reset, predict, then send."
        )


@hint
def behind(work: Work) -> str:
    """Which addresses are behind the other node, as the kernel has them now."""
    node = work.variant["place.here"]
    shown = work.cluster.at(work.cluster.journal.revision).node(node).run("wg show").stdout.splitlines()
    allowed = next((line.strip() for line in shown if "allowed ips" in line), "no peer")
    return f"On {node}, `wg show` says of the other node: {allowed}. Whose addresses are these?"

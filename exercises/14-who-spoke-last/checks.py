"""Each prediction is held against the cluster as the learner found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


def seen(work: Work, destination: str, port: int) -> str:
    """What the client sees at the start, whatever has been done since."""
    return work.at(work.started).trace(f"default/{work.variant['client']}", destination, port).outcome


@check("empty", asks="You know what a Service without Pods says.")
def empty(work: Work) -> None:
    right = seen(work, f"svc:default/{work.variant['service']}", work.variant["port"])
    work.chose("empty", right, "Which rule does kube-proxy write for a Service that has nobody?")


@check("dropped", asks="You know what a dropped packet looks like.")
def dropped(work: Work) -> None:
    right = seen(work, f"default/{work.variant['server']}", work.variant["dropped"])
    work.chose("dropped", right, "Does DROP tell anybody?")


@check("lost", asks="You know what a route to nobody looks like.")
def lost(work: Work) -> None:
    right = seen(work, f"{work.variant['place.there']}.77", work.variant["port"])
    work.chose("lost", right, "Who waits for an ARP answer, and whom does it tell?")


@check("closed", asks="You know what a closed port says.")
def closed(work: Work) -> None:
    work.chose(
        "closed", seen(work, f"default/{work.variant['server']}", 9999), "The machine is there. Its kernel answers."
    )


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        raise Failed(
            f"{', '.join(late) or 'No answer'} came before the cluster was touched: reset, predict, then send."
        )


@hint
def rows(work: Work) -> str:
    """The rows that the four questions will meet on the client's own node."""
    node = work.cluster.at(work.cluster.journal.revision).node(work.variant["place.near"])
    rule = node.run("iptables -S FORWARD").stdout.splitlines()[1]
    way = node.run(f"ip route get {work.variant['place.there']}.77").stdout.splitlines()[0].strip()
    return f"On {work.variant['place.near']} the first rule of FORWARD is `{rule}`, and `ip route get` says: {way}."

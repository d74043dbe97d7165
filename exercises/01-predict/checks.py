"""Each prediction is held against a trace in the cluster as the learner found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


def found(work: Work, source: str, destination: str, port: str = "port"):
    """What happens at the start, whatever the learner has done since."""
    names = work.variant
    ends = [f"default/{names[end]}" for end in (source, destination)]
    return work.at(work.started).trace(*ends, names[port])


@check("address", asks="You know which source address the server sees.")
def address(work: Work) -> None:
    work.chose("address", found(work, "bystander", "server").source_seen, "Law 3: who may translate between Pods?")


@check("closed", asks="You know what a closed port looks like.")
def closed(work: Work) -> None:
    work.chose("closed", found(work, "bystander", "server", "closed").outcome, "Who could say that nobody listens?")


@check("there", asks="You know what the client sees whose question is lost.")
def there(work: Work) -> None:
    work.chose("there", found(work, "client", "server").outcome, "Which row fits now, and where does it lead?")


@check("back", asks="You know what the client sees whose answer is lost.")
def back(work: Work) -> None:
    work.chose("back", found(work, "server", "client").outcome, "Which packet is lost here, and who had sent it?")


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
    """Which row of its node's table fits each of the questions, as things stand."""
    names, told = work.variant, []
    for node, which in (("place.broken", "server"), ("place.far", "client"), ("place.whole", "server")):
        address = work.cluster.get("pod", names[which])["status"]["podIP"]
        said = work.cluster.node(names[node]).run(f"ip route get {address}").stdout.split(" uid")[0]
        told.append(f"{names[node]} sends a packet for {names[which]} so: {' '.join(said.split())}")
    return f"As things stand {'; '.join(told)}. Does each of these addresses belong to a machine?"

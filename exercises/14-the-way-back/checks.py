"""Evidence is a step of an answer's way that ends it; mended is what holds for all Pods."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check


@check("where", points=2, asks="Your evidence shows it: the step at which an answer ended.")
def where(work: Work) -> None:
    trace, step = work.evidence("where")
    replies = [s for leg in trace.legs if leg.direction == "reply" for s in leg.steps]
    if step.what != "drop" or step.before.is_errand or not any(step is s for s in replies):
        said = f"That step is not where an answer ended; it says: {step.says}"
        raise Failed(said, "Look at the steps of the direction `reply`.")


@check("machine", asks="You know on which node the answer ended.")
def machine(work: Work) -> None:
    work.chose("machine", work.variant["fault.on"], "Which machine was the last that had the SYN-ACK?")


@check("mended", asks="Every Pod reaches every Pod.")
def mended(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    pods = {f"default/{work.variant[which]}" for which in ("client", "server", "third")}
    if not pods <= set(work.pods("default")):
        raise Failed("A Pod is gone: mend the network, and leave the Pods.")
    for source, destination in permutations(sorted(pods), 2):
        work.connects(source, destination, work.variant["port"])

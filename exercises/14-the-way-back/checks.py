"""Evidence is a step of an answer's way that ends it; mended is what holds for all Pods."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


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


@hint
def how_far(work: Work) -> str:
    """Where the first answer was, of the attempt as it goes now."""
    ends = [f"default/{work.variant[which]}" for which in ("client", "server")]
    trace = work.trace(*ends, work.variant["port"])
    places = [s["place"] for s in trace.to_dict()["steps"] if s["leg"] == "SYN-ACK" and s["what"] != "arp"]
    passed = " > ".join(dict.fromkeys(places)) or "nowhere: the question did not arrive"
    return f"As things stand the attempt is {trace.outcome}, and the SYN-ACK was here: {passed}."

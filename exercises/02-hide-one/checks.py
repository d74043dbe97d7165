"""One Pod is hidden, the others are not, and nobody is cut off."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


def touched(work: Work) -> None:
    """What holds because nobody did anything is nobody's merit."""
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


def own(work: Work, which: str) -> str:
    return str(work.at(work.started).get("pod", work.variant[which])["status"]["podIP"])


@check("hidden", asks="Some other Pod sees the one with an address that is not its own.")
def hidden(work: Work) -> None:
    for other in ("two", "three"):
        seen = work.trace(pod(work, "one"), pod(work, other), work.variant["port"]).source_seen
        if seen not in (None, own(work, "one")):
            return
    raise Failed(f"{work.variant['one']} is seen with {own(work, 'one')} by every Pod that it reaches.", "Which table?")


@check("all-reach", asks="Every Pod reaches every Pod.")
def all_reach(work: Work) -> None:
    touched(work)
    for source, destination in permutations(("one", "two", "three"), 2):
        hint = "To hide is not to cut off."
        work.connects(pod(work, source), pod(work, destination), work.variant["port"], hint=hint)


@check("others-own", asks="The other two are seen with their own addresses.")
def others_own(work: Work) -> None:
    touched(work)
    for source, destination in permutations(("one", "two", "three"), 2):
        seen = work.trace(pod(work, source), pod(work, destination), work.variant["port"]).source_seen
        if source != "one" and seen not in (None, own(work, source)):
            said = f"{pod(work, destination)} sees {seen} where {pod(work, source)} has {own(work, source)}."
            raise Failed(said, "Whom does your rule name?")


@check("witness", points=2, asks="Your witness shows it: a packet of the one's, and the step that rewrites it.")
def witness(work: Work) -> None:
    trace, step = work.evidence("witness")
    if trace.source != pod(work, "one") or trace.destination not in (pod(work, "two"), pod(work, "three")):
        raise Failed(f"The law speaks of Pods: the witness goes from {work.variant['one']} to another Pod.")
    if str(step.before.src) != own(work, "one") or step.before.src == step.after.src:
        raise Failed(f"At that step the source stays what it was: {step.says}", "Look for the step `nat`.")


@hint
def now(work: Work) -> str:
    """Who reaches whom, and seen as whom, as things stand."""
    return work.meetings(work.variant["port"])

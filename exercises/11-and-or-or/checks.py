"""What is right is what a packet does in the cluster as the learner found it."""

from k8slearn.grading.checks import Work, check, hint

ASKED = {
    "near": ("default/{app}", "default/{server}", "port"),
    "far": ("{team}/{app}", "default/{server}", "port"),
    "guest": ("{team}/guest", "default/{server}", "port"),
    "elsewhere": ("{team}/{app}", "default/{server}", "other"),
    "back": ("default/{server}", "{team}/guest", "port"),
}


def held(work: Work, question: str) -> None:
    names = work.variant
    source, to, port = ASKED[question]
    truth = work.at(work.started).trace(source.format(**names), to.format(**names), names[port]).outcome
    work.predicted(question)
    work.chose(question, truth)


@check("near", asks="You know whom a podSelector means.")
def near(work: Work) -> None:
    held(work, "near")


@check("far", asks="You know who is meant in another namespace.")
def far(work: Work) -> None:
    held(work, "far")


@check("guest", asks="You know what stands together, and what is an alternative.")
def guest(work: Work) -> None:
    held(work, "guest")


@check("elsewhere", asks="You know which ports are allowed.")
def elsewhere(work: Work) -> None:
    held(work, "elsewhere")


@check("back", asks="You know in which direction a Pod is isolated.")
def back(work: Work) -> None:
    held(work, "back")


@hint
def answered(work: Work) -> str:
    """Which answers contradict each other, from the learner's own answers alone."""
    given = {name: str(answer.value) for name, answer in work.answers.items()}
    if given.get("guest") == "connected" and given.get("far") == "timeout":
        told = "You let guest in and keep its neighbour out."
        return f"{told} Every entry that guest fits, the other Pod of its namespace fits, too."
    count = f"You have answered {len(given)} of {len(ASKED)} questions."
    return f"{count} For each client look for *one* entry that it fits as a whole."

"""Each number is held against a look-up in the cluster as the learner found it."""

from k8slearn.grading.checks import Failed, Work, check, hint


def questions(work: Work, name: str) -> int:
    """How many queries a look-up of the client's sends."""
    names = work.variant
    return len(work.at(work.started).lookup(f"{names['own']}/{names['client']}", name))


@check("near", asks="You know what a short name costs.")
def near(work: Work) -> None:
    work.chose("near", questions(work, work.variant["service"]), "A and AAAA are two questions.")


@check("far", asks="You know which entry of the search list finds a name with a namespace.")
def far(work: Work) -> None:
    name = f"{work.variant['service']}.{work.variant['own']}"
    work.chose("far", questions(work, name), "Which name is tried first, and does it exist?")


@check("world", asks="You know what ndots costs.")
def world(work: Work) -> None:
    work.chose(
        "world", questions(work, work.variant["world"]), "How many dots has the name, and how many are asked for?"
    )


@check("dot", asks="You know what a dot at the end says.")
def dot(work: Work) -> None:
    work.chose("dot", questions(work, f"{work.variant['world']}."), "A complete name needs nothing appended.")


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        raise Failed(
            f"{', '.join(late) or 'No answer'} came before the cluster was touched: reset, predict, then send."
        )


@hint
def search(work: Work) -> str:
    """What the Pod is told, and how many dots the names have."""
    names = work.variant
    said = work.cluster.pod(names["client"], names["own"]).run("cat /etc/resolv.conf").stdout.splitlines()
    dots = [
        f"{name} has {name.count('.')}"
        for name in (names["service"], f"{names['service']}.{names['own']}", names["world"])
    ]
    return f"{names['client']} is told: {'; '.join(line for line in said if line)}. Dots: {', '.join(dots)}."

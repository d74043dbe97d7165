"""What a look-up costs now is held against what it cost at the start."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint

WORLD = "www.example.com"


def looked(cluster, work: Work, name: str):
    """A look-up of the client's in this cluster."""
    try:
        return cluster.lookup(f"{work.variant['own']}/{work.variant['client']}", name)
    except Refused as gone:
        raise Failed(f"{gone}") from None


@check("outside", points=2, asks="A name of the world outside costs two questions.")
def outside(work: Work) -> None:
    found = looked(work.cluster, work, WORLD)
    if not found.addresses or len(found) != 2:
        raise Failed(f"{WORLD}: {len(found)} questions, {found.error or 'found'}.", "How many dots has the name?")


@check("inside", points=2, asks="The names of the cluster are found, for no more than before.")
def inside(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for name in (work.variant["near"], f"{work.variant['far']}.{work.variant['other']}"):
        now, before = looked(work.cluster, work, name), looked(work.at(work.started), work, name)
        if not now.addresses:
            raise Failed(f"{name} is not found any more: {now.error}.", "Whom does the Pod ask, and what is appended?")
        if len(now) > len(before):
            raise Failed(
                f"{name} costs {len(now)} questions; it was {len(before)}.", "Which name is now tried too early?"
            )


@check("same", asks="It is the same Pod but for that.")
def same(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    before, now = (identity(cluster, work) for cluster in (work.at(work.started), work.cluster))
    if before != now:
        raise Failed(f"{work.variant['client']} is not what it was: {now}, and it was {before}.")


def identity(cluster, work: Work) -> tuple:
    """What others rely on: labels, node, what runs in it."""
    try:
        pod = cluster.get("pod", work.variant["client"], work.variant["own"])
    except Refused as gone:
        raise Failed(f"{gone}") from None
    runs = [(c["image"], c.get("args")) for c in pod["spec"]["containers"]]
    return pod["metadata"].get("labels"), pod["spec"].get("nodeName"), pod["spec"].get("hostNetwork", False), runs


@hint
def now(work: Work) -> str:
    """What each of the three names costs, as things stand."""
    names = (work.variant["near"], f"{work.variant['far']}.{work.variant['other']}", WORLD)
    told = [f"{name} {len(looked(work.cluster, work, name))}" for name in names]
    return f"Questions for each name, as things stand: {', '.join(told)}."

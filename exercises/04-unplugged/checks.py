"""Mended is who is reached from near and from far, by its old address."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def address(work: Work) -> str:
    """The address that the Pod had when the learner took over."""
    return str(work.at(work.started).get("pod", work.variant["deaf"])["status"]["podIP"])


def touched(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")


@check("near", asks="Its neighbour on the node reaches it.")
def near(work: Work) -> None:
    touched(work)
    work.connects(
        f"default/{work.variant['near']}", reached(work), work.variant["port"], hint="Look into the Pod: ip addr."
    )


@check("far", asks="A Pod on the other node reaches it.")
def far(work: Work) -> None:
    touched(work)
    work.connects(
        f"default/{work.variant['far']}", reached(work), work.variant["port"], hint="How does its answer leave?"
    )


@check("kept", asks="It is the same Pod, with the same address.")
def kept(work: Work) -> None:
    touched(work)
    try:
        now = work.cluster.get("pod", work.variant["deaf"])
    except Refused:
        raise Failed(f"{work.variant['deaf']} is gone.") from None
    if now["metadata"]["uid"] != work.at(work.started).get("pod", work.variant["deaf"])["metadata"]["uid"]:
        raise Failed(f"This is another Pod {work.variant['deaf']}: whoever had its address lost it.")


def reached(work: Work) -> str:
    """The Pod, if there is one now."""
    return f"default/{work.variant['deaf']}"


@hint
def now(work: Work) -> str:
    """What the Pod's own namespace looks like, and who reaches it, as things stand."""
    inside = work.cluster.pod(work.variant["deaf"])
    rows = [" ".join(row.split()) for row in inside.run("ip route").stdout.splitlines() if row.strip()]
    link = " ".join(inside.run("ip -br addr show eth0").stdout.split()) or "no eth0"
    told = f"Inside {work.variant['deaf']}: {link}; routes: {'; '.join(rows) or 'none'}."
    return f"{work.meetings(work.variant['port'])} {told}"

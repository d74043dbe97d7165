"""Mended is what connects and what still does not; a rule that was meant is no fault."""

from itertools import permutations

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


def touched(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")


@check("service", points=2, asks="The client reaches the Service.")
def service(work: Work) -> None:
    name = work.variant["service"]
    hint = "Who is behind the Service? And does the client reach those?"
    work.connects(
        pod(work, "client"),
        f"svc:{pod(work, 'service')}",
        work.variant["port"],
        answered_by=f"default/{name}-1",
        hint=hint,
    )


@check("pods", asks="Every Pod that may reaches every Pod.")
def pods(work: Work) -> None:
    server, guest = f"{pod(work, 'service')}-1", pod(work, "guest")
    for source, destination in permutations((pod(work, "client"), guest, server), 2):
        if (source, destination) != (guest, server):
            work.connects(source, destination, work.variant["port"], hint="Look at the way back, too.")


@check("kept-away", asks="Whoever was meant to be kept away still is.")
def kept_away(work: Work) -> None:
    touched(work)
    work.blocked(
        pod(work, "guest"), f"{pod(work, 'service')}-1", work.variant["port"], hint="One of the rules was meant."
    )


@check("no-more", asks="Nothing else has changed: the Pods are the same, with the same labels.")
def no_more(work: Work) -> None:
    touched(work)
    before = work.at(work.started)
    for which in ("client", "guest"):
        same(work, before, work.variant[which])
    same(work, before, f"{work.variant['service']}-1")
    ip = [c.get("service", work.variant["service"])["spec"]["clusterIP"] for c in (before, work.cluster)]
    if ip[0] != ip[1]:
        raise Failed(f"The Service's address was {ip[0]}, and it is {ip[1]} now: its clients know the old one.")


def same(work: Work, before, name: str) -> None:
    """The same Pod, and nobody has given it another label."""
    try:
        was, now = (cluster.get("pod", name)["metadata"] for cluster in (before, work.cluster))
    except Refused:
        raise Failed(f"{name} is gone.") from None
    if was["uid"] != now["uid"] or was.get("labels") != now.get("labels"):
        raise Failed(f"{name} is another Pod than before, or has other labels.", "Which of the two was wrong?")


@hint
def now(work: Work) -> str:
    """The Service and its Pod, each for itself, as things stand."""
    port, client, name = work.variant["port"], pod(work, "client"), pod(work, "service")
    pieces = [
        p for p in work.cluster.get("endpointslices") if p["metadata"]["name"].startswith(work.variant["service"])
    ]
    count = sum(len(piece["endpoints"] or ()) for piece in pieces)
    seen = [f"{to}: {work.trace(client, to, port).outcome}" for to in (f"svc:{name}", f"{name}-1")]
    return f"As things stand the Service has {count} endpoints, and {client} sees: {', '.join(seen)}."

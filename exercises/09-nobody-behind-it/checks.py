"""Evidence is the step that said no; mended is what connects, with the Pods and the addresses that there were."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def refused_at(work: Work, which: str, what: str) -> None:
    """Fails unless the evidence is of the client's connection to this Service, and its step is the one that said no."""
    names, (trace, step) = work.variant, work.evidence(which)
    asked = (trace.source, trace.destination, trace.port)
    if asked != (f"default/{names['client']}", f"svc:default/{names[f'two.{which}']}", names["port"]):
        raise Failed(f"The evidence is of another conversation: {trace.source} asks {trace.destination}.")
    if step.what != what:
        raise Failed(f"That step did not refuse anything; it says: {step.says}", "Who said no, and who passed it on?")


@check("lost", points=2, asks="Your evidence shows who refused the first kind of connection.")
def lost(work: Work) -> None:
    refused_at(work, "lost", "drop")


@check("deaf", points=2, asks="Your evidence shows who refused the second kind of connection.")
def deaf(work: Work) -> None:
    refused_at(work, "deaf", "refuse")


@check("who-lost", asks="You know who refuses for a Service that has nobody.")
def who_lost(work: Work) -> None:
    work.chose("who-lost", "kube-proxy's rule", "How far did the packet come?")


@check("who-deaf", asks="You know who refuses on a port where nobody listens.")
def who_deaf(work: Work) -> None:
    work.chose("who-deaf", "a Pod behind it", "How far did the packet come?")


@check("mended", points=2, asks="The client reaches both Services, and each is answered by its own Pod.")
def mended(work: Work) -> None:
    names = work.variant
    for service in (names["two.first"], names["two.second"]):
        work.connects(
            f"default/{names['client']}",
            f"svc:default/{service}",
            names["port"],
            answered_by=f"default/{service}-1",
            hint="Two things can miss: the labels that are asked for, and the port that is sent to.",
        )


@check("no-more", asks="The Pods and their labels are as they were, and so are the Services' addresses.")
def no_more(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for service in (work.variant["two.first"], work.variant["two.second"]):
        before, now = (identity(cluster, service) for cluster in (work.at(work.started), work.cluster))
        if before != now:
            raise Failed(f"{service} or its Pod is another one than before.", "Both faults are in the Services.")


def identity(cluster, service: str) -> tuple:
    """What of a Service and its Pod others rely on."""
    try:
        pod, own = cluster.get("pod", f"{service}-1")["metadata"], cluster.get("service", service)["spec"]
    except Refused as gone:
        raise Failed(f"{gone}") from None
    return pod["uid"], pod.get("labels"), own["clusterIP"]


@hint
def now(work: Work) -> str:
    """Who is behind each Service, and on which port, as things stand."""
    told = []
    for piece in work.cluster.get("endpointslices"):
        service = piece["metadata"]["labels"].get("kubernetes.io/service-name")
        if service in (work.variant["two.first"], work.variant["two.second"]):
            behind = [a for end in piece.get("endpoints") or () for a in end["addresses"]]
            ports = [str(port["port"]) for port in piece.get("ports") or ()]
            told.append(f"{service} sends to {', '.join(behind) or 'nobody'} on port {', '.join(ports) or '(none)'}")
    return f"As things stand: {'; '.join(told)}. The Pods listen on {work.variant['target']}."

"""One client's way to one address is broken; everything else is asked whether it is whole."""

from itertools import permutations

from k8slearn.explain import ENDS
from k8slearn.grading.checks import Failed, Work, check, hint


def service(work: Work) -> str:
    return f"svc:default/{work.variant['service']}"


@check("broken", points=2, asks="The client does not reach the Service, whichever Pod is drawn.")
def broken(work: Work) -> None:
    hint = "At which point of the way does a packet still have the Service's address?"
    work.blocked(f"default/{work.variant['client']}", service(work), work.variant["port"], hint=hint)


@check("guest", asks="The other node's client reaches the Service as before.")
def guest(work: Work) -> None:
    touched(work)
    hint = "Each node has rules of its own."
    work.connects(f"default/{work.variant['guest']}", service(work), work.variant["port"], hint=hint)


@check("laws", points=2, asks="Every Pod reaches every Pod, and is seen with its own address.")
def laws(work: Work) -> None:
    touched(work)
    for source, destination in permutations(work.pods("default"), 2):
        own = work.cluster.get("pod", source.partition("/")[2])["status"]["podIP"]
        hint = "The Pods' addresses are not the Service's."
        work.connects(source, destination, work.variant["port"], source_seen=own, hint=hint)


@check("objects", asks="No object of Kubernetes has changed.")
def objects(work: Work) -> None:
    touched(work)
    now, before = (seen(cluster) for cluster in (work.cluster, work.at(work.started)))
    if now != before:
        raise Failed("A Service, a Pod or a label is not what it was.", "Type something on a node, and nothing else.")


def seen(cluster) -> list:
    """What the API says of Pods and Services."""
    pods = [(p["metadata"]["uid"], p["metadata"].get("labels")) for p in cluster.get("pods")]
    return [*pods, *((s["metadata"]["uid"], s["spec"]) for s in cluster.get("services"))]


@check("witness", points=2, asks="Your witness shows it: the step at which such a connection ended.")
def witness(work: Work) -> None:
    trace, step = work.evidence("witness")
    if (trace.source, trace.destination) != (f"default/{work.variant['client']}", service(work)):
        raise Failed(f"The witness is of another conversation: {trace.source} asks {trace.destination}.")
    if step.what not in ENDS:
        raise Failed(f"That step did not end it; it says: {step.says}", "Look for the step that drops or refuses.")


def touched(work: Work) -> None:
    """What holds because nobody did anything is nobody's merit."""
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")


@hint
def now(work: Work) -> str:
    """What the two clients see of the Service and of its Pods, as things stand."""
    names, told = work.variant, []
    for which in ("client", "guest"):
        asked = (service(work), *(f"default/{names['service']}-{number}" for number in (1, 2)))
        outcomes = [work.trace(f"default/{names[which]}", to, names["port"]).outcome for to in asked]
        told.append(f"{names[which]} sees the Service {outcomes[0]}, its Pods {outcomes[1]} and {outcomes[2]}")
    return f"As things stand {'; '.join(told)}."

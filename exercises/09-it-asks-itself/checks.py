"""Mended is a Pod that is given itself, by a bridge that shows its packets to the rules as before."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def asked(work: Work) -> tuple[str, str, int]:
    """The connection that hangs."""
    return f"default/{work.variant['app']}", f"svc:default/{work.variant['service']}", work.variant["port"]


@check("where", points=2, asks="Your evidence shows it: the step at which the Pod's connection to itself ended.")
def where(work: Work) -> None:
    trace, step = work.evidence("where")
    if (trace.source, trace.destination, trace.port) != asked(work):
        raise Failed(f"The evidence is of another conversation: {trace.source} asks {trace.destination}.")
    if step.what != "drop":
        raise Failed(f"That step did not end it; it says: {step.says}", "Look for the step that drops.")


@check("seen", asks="You know who is seen when a Pod is given itself.")
def seen(work: Work) -> None:
    work.chose("seen", "the node's, on the bridge", "What does KUBE-MARK-MASQ ask for?")


@check("itself", points=2, asks="The Pod reaches itself by its Service, whatever is drawn.")
def itself(work: Work) -> None:
    source, destination, port = asked(work)
    hint = "By which port of the bridge must the packet leave?"
    work.connects(source, destination, port, answered_by=source, hint=hint)


@check("neighbour", asks="Its neighbour reaches the Service as before.")
def neighbour(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    _, destination, port = asked(work)
    work.connects(f"default/{work.variant['neighbour']}", destination, port, hint="Do the rules still see its packets?")


@check("same", asks="It is the same Pod, behind the same Service.")
def same(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    before, now = (identity(cluster, work) for cluster in (work.at(work.started), work.cluster))
    if before != now:
        raise Failed("The Pod or its Service is another one than before.", "One setting of one port will do.")


def identity(cluster, work: Work) -> tuple:
    """What others know of the Pod and its Service."""
    try:
        pod = cluster.get("pod", work.variant["app"])
        spec = cluster.get("service", work.variant["service"])["spec"]
    except Refused as gone:
        raise Failed(f"{gone}") from None
    return pod["metadata"]["uid"], pod["status"].get("podIP"), spec


@hint
def now(work: Work) -> str:
    """What the Pod and its neighbour see of the Service, and which ports send back, as things stand."""
    source, destination, port = asked(work)
    node = work.cluster.node(work.variant["place.near"])
    lines = node.run("bridge -d link").stdout.splitlines()
    names = [line.split(": ")[1].split("@")[0] for line in lines if not line.startswith(" ")]
    details = [line for line in lines if "hairpin" in line]
    back = [name for name, said in zip(names, details, strict=True) if "hairpin on" in said]
    outcome = work.trace(source, destination, port).outcome
    return f"As things stand {source} sees {outcome}; ports that send a frame back: {', '.join(back) or 'none'}."

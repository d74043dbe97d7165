"""What is right is what the server saw, in the cluster as the learner found it."""

from k8slearn.grading.checks import Work, check, hint

OWN, ASKED = "its own address", "the address of the node that was asked"
BRIDGE, NOBODY = "the address of the bridge on the Pod's node", "nothing: the request does not arrive"


def truth(work: Work, source: str, destination: str, port: int) -> str:
    """Whom the Pod sees, in the words of the question."""
    trace = work.at(work.started).trace(source, destination, port)
    if trace.outcome != "connected":
        return NOBODY
    if trace.source_seen is None or not trace.source_seen.startswith(("192.168.", "10.244.")):
        return OWN
    if trace.source_seen.startswith("192.168."):
        return ASKED
    return BRIDGE if trace.source_seen.endswith(".1") else OWN


def held(work: Work, question: str, source: str, destination: str, port: int) -> None:
    work.predicted(question)
    work.chose(question, truth(work, source, destination, port))


@check("inside", asks="You know whom a ClusterIP shows.")
def inside(work: Work) -> None:
    held(work, "inside", f"default/{work.variant['client']}", f"svc:default/{work.variant['service']}", 80)


@check("home", asks="You know whom the port of the Pod's own node shows.")
def home(work: Work) -> None:
    held(work, "home", "outside", f"node:{work.variant['place.home']}", work.variant["node_port"])


@check("away", asks="You know whom the port of another node shows.")
def away(work: Work) -> None:
    held(work, "away", "outside", f"node:{work.variant['place.away']}", work.variant["node_port"])


@hint
def doubt(work: Work) -> str:
    """What the learner's own answers say together."""
    given = {name: str(answer.value) for name, answer in work.answers.items()}
    policy = work.variant["policy"]
    if given.get("home") == OWN and policy == "Cluster":
        return (
            "With Cluster the Pod's own node masquerades, too: it does not know beforehand where the endpoint will be."
        )
    if given.get("away") not in (None, NOBODY) and policy == "Local":
        return f"You let {work.variant['place.away']} answer. What does Local say of a node without an endpoint?"
    return f"You have answered {len(given)} of 3 questions. The policy is {policy}: who stands in between, and where?"

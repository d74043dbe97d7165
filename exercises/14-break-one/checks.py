"""One pair, one protocol, one port: everything else is asked too."""

from itertools import permutations

from k8slearn.explain import ENDS
from k8slearn.grading.checks import Failed, Work, check, hint

TOMORROW = "a-pod-of-tomorrow"


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


@check("broken", asks="The one connection is broken.")
def broken(work: Work) -> None:
    work.blocked(pod(work, "client"), pod(work, "server"), work.variant["port"], hint="Who passes its packets on?")


@check("others", points=2, asks="Every other connection works, that of a new Pod too.")
def others(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    client, server, port = pod(work, "client"), pod(work, "server"), work.variant["port"]
    for source, destination in permutations([pod(work, w) for w in ("client", "near", "server", "third")], 2):
        if (source, destination) != (client, server):
            work.connects(source, destination, port, hint="What tells this connection from the one to break?")
    work.connects(client, server, 8081, "UDP", hint="Which protocol, which port?")
    copy = work.cluster.at(work.cluster.journal.revision)
    spec = {"nodeName": work.variant["place.near"], "containers": [{"name": "app", "image": "nginx"}]}
    copy.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": TOMORROW}, "spec": spec})
    copy.advance(seconds=15)
    if copy.trace(f"default/{TOMORROW}", server, port).outcome != "connected":
        raise Failed(f"A Pod that starts on {work.variant['place.near']} tomorrow does not reach {server}.")


@check("witness", points=2, asks="Your witness shows it: this connection, and the step at which it ended.")
def witness(work: Work) -> None:
    trace, step = work.evidence("witness")
    asked = (trace.source, trace.destination, trace.port, trace.protocol)
    if asked != (pod(work, "client"), pod(work, "server"), work.variant["port"], "TCP"):
        raise Failed("The witness is a trace of the connection that was to be broken, and of no other.")
    if trace.outcome == "connected" or step.what not in ENDS:
        raise Failed(f"That step is not where it ended; it says: {step.says}", "Which step drops or refuses?")


@hint
def now(work: Work) -> str:
    """Which pairs do not connect, as things stand."""
    pairs = permutations([pod(work, w) for w in ("client", "near", "server", "third")], 2)
    silent = [f"{a} to {b}" for a, b in pairs if work.trace(a, b, work.variant["port"]).outcome != "connected"]
    return f"As things stand these do not connect on port {work.variant['port']}: {', '.join(silent) or 'none'}."

"""One Pod, two containers, two ports: asked from another Pod."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def the_pod(work: Work) -> dict:
    try:
        return work.cluster.get("pod", work.variant["pod"])
    except Refused:
        raise Failed(f"There is no Pod {work.variant['pod']}.") from None


def who_takes(work: Work, port: int) -> str:
    """The program that a packet for this port of the Pod is given to."""
    names = work.variant
    the_pod(work)
    steps = work.trace(f"default/{names['client']}", f"default/{names['pod']}", port).steps
    return next((step.says.partition(" ")[0] for step in steps if step.what == "deliver"), "nobody")


@check("web", asks="web is reached on its old port, and the Pod is ready.")
def web(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    found = who_takes(work, work.variant["port"])
    if found != "agnhost":
        raise Failed(
            f"On port {work.variant['port']} {found} takes the packets, not web's agnhost.", "Who was there first?"
        )


@check("metrics", asks="metrics is reached on its port.")
def metrics(work: Work) -> None:
    found = who_takes(work, work.variant["metrics"])
    if found != "http-echo":
        said = f"On port {work.variant['metrics']} {found} takes the packets, not metrics' http-echo."
        raise Failed(said, "`kubectl logs POD -c metrics` says why it ended.")


@check("together", asks="It is one Pod with the two containers.")
def together(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    found = sorted(c["name"] for c in the_pod(work)["spec"]["containers"])
    if found != ["metrics", "web"]:
        raise Failed(
            f"The Pod has the containers {', '.join(found)}.", "The two belong together: one Pod, one address."
        )


@hint
def now(work: Work) -> str:
    """Who listens in the Pod, as things stand."""
    listens = work.cluster.pod(work.variant["pod"]).run("ss -Hltn").stdout.splitlines()
    ports = [line.split()[3].rpartition(":")[2] for line in listens]
    runs = [
        f"{c['name']} has been started again {c['restartCount']} times"
        for c in the_pod(work)["status"]["containerStatuses"]
    ]
    told = ", ".join(ports) or "no port"
    return f"As things stand somebody listens in {work.variant['pod']} on: {told}; {', '.join(runs)}."

"""The answers are read off the links of the cluster as it was found."""

from k8slearn.grading.checks import Work, check, hint


def veth(work: Work, pod: str) -> str:
    """The node's end of a Pod's cable: the link whose number stands behind the Pod's ``@if``."""
    found = work.at(work.started)
    number = found.pod(pod).run("ip -o link show eth0").stdout.split("@if")[1].split(":")[0]
    links = found.node("node-1").run("ip -o link").stdout.splitlines()
    return next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{number}: "))


@check("veth", points=2, asks="You know which interface of the node is the Pod's.")
def whose(work: Work) -> None:
    work.chose("veth", veth(work, work.variant["two"]), "Compare the numbers: behind the @if, and before the name.")


@check("ports", asks="You know what is plugged into the bridge.")
def ports(work: Work) -> None:
    work.chose(
        "ports", len(work.at(work.started).node("node-1").run("bridge link").stdout.splitlines()), "`bridge link`."
    )


@check("behind", asks="You know behind which port the bridge finds a Pod.")
def behind(work: Work) -> None:
    work.chose("behind", veth(work, work.variant["one"]), "A frame comes in by its sender's own cable.")


@check("far", asks="You know what a bridge does not learn.")
def far(work: Work) -> None:
    work.chose("far", "no", "Send, and look: `bridge fdb show br cni0 dynamic`.")


@hint
def numbers(work: Work) -> str:
    """The number behind the Pod's @if, as things stand."""
    shown = work.cluster.pod(work.variant["two"]).run("ip -o link show eth0").stdout
    known = len(work.cluster.node("node-1").run("bridge fdb show br cni0 dynamic").stdout.splitlines())
    number = shown.split("@if")[1].split(":")[0]
    return f"{work.variant['two']} says @if{number}. And node-1's bridge has learned {known} addresses so far."

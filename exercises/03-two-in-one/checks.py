"""What the two containers share is asked from within, and what they do not share with others from without."""

from k8slearn.errors import CommandError
from k8slearn.grading.checks import Failed, Work, check, hint


def the_pod(work: Work) -> dict:
    found = [p for p in work.cluster.get("pods") if p["metadata"]["name"] == work.variant["pod"]]
    if not found:
        raise Failed(f"There is no Pod {work.variant['pod']} in the namespace default yet.")
    return found[0]


def asked(work: Work, command: str) -> str:
    """What box says to a command."""
    the_pod(work)
    try:
        return work.cluster.kubectl(f"exec {work.variant['pod']} -c box -- {command}")
    except CommandError as wrong:
        raise Failed(f"box says to `{command}`: {wrong}") from None


@check("place", asks="The Pod runs where it should, with an address of its own.")
def place(work: Work) -> None:
    found, names = the_pod(work), work.variant
    if found["spec"].get("nodeName") != names["place.node"]:
        raise Failed(f"{names['pod']} is on {found['spec'].get('nodeName')}.", "Who chooses the node if you do not?")
    node = work.cluster.get("node", names["place.node"])["status"]["addresses"][0]["address"]
    if found["status"].get("podIP") == node:
        raise Failed(f"{names['pod']} has its node's address, {node}.", "That is hostNetwork, and nobody asked for it.")


@check("web", points=2, asks="box reaches web on localhost, others by the Pod's address.")
def web(work: Work) -> None:
    names = work.variant
    said = asked(work, f"wget -qO- http://localhost:{names['port']}/hostname").strip()
    if said != names["pod"]:
        raise Failed(
            f"On localhost box hears: {said or 'nothing'}.", "Are the two in one Pod, and where does web listen?"
        )
    work.connects(f"default/{names['other']}", f"default/{names['pod']}", names["port"])


@check("processes", asks="box sees web's process.")
def processes(work: Work) -> None:
    if "netexec" not in asked(work, "ps"):
        raise Failed("box sees its own processes alone.", "What must a Pod say so that its containers share those?")


@check("first", asks="You know who was there before both.")
def first(work: Work) -> None:
    work.chose("first", "/pause", "Which container is in every Pod?")


@check("takes", asks="You know who shares a range of ports.")
def takes(work: Work) -> None:
    work.chose("takes", "no", "In what is a port taken?")


@hint
def now(work: Work) -> str:
    """What box and web share, as things stand."""
    found = [p for p in work.cluster.get("pods") if p["metadata"]["name"] == work.variant["pod"]]
    if not found:
        return f"As things stand: there is no Pod {work.variant['pod']} yet."
    names = [c["name"] for c in found[0]["spec"]["containers"]]
    shares = found[0]["spec"].get("shareProcessNamespace", False)
    where = found[0]["spec"].get("nodeName", "no node")
    told = f"{work.variant['pod']} is on {where}, has the containers {', '.join(names)}"
    return f"As things stand: {told}, and shareProcessNamespace is {str(shares).lower()}."

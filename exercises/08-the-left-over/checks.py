"""Mended is the node, so that the next Pod is wired as the first one was."""

from ipaddress import ip_address, ip_network
from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


@check("every-pod", points=2, asks="Every Pod reaches every Pod.")
def every_pod(work: Work) -> None:
    for source, destination in permutations(work.pods("default"), 2):
        work.connects(source, destination, work.variant["port"], hint="Who knows a way to this Pod's address?")


@check("there", asks="The three Pods are there.")
def there(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    gone = [
        work.variant[which] for which in ("early", "late", "far") if f"default/{work.variant[which]}" not in work.pods()
    ]
    if gone:
        raise Failed(f"{', '.join(gone)} is not there.")


@check("tomorrow", asks="A new Pod on the node gets an address of the node's slice.")
def tomorrow(work: Work) -> None:
    node = work.variant["place.node"]
    copy = work.cluster.at(work.cluster.journal.revision)
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "nginx"}]}
    copy.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a-pod-of-tomorrow"}, "spec": spec})
    copy.advance(seconds=15)
    address = copy.get("pod", "a-pod-of-tomorrow")["status"].get("podIP")
    slice_of_node = copy.get("node", node)["spec"]["podCIDR"]
    if not address or ip_address(address) not in ip_network(slice_of_node):
        said = f"A new Pod on {node} gets {address or 'no address'}, and the node's slice is {slice_of_node}."
        raise Failed(said, "Which configuration does the runtime take?")


@hint
def now(work: Work) -> str:
    """Who reaches whom, and seen as whom, as things stand."""
    return work.meetings(work.variant["port"])

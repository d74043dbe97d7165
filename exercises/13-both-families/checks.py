"""Two addresses, of which the first is the old one, and both are reached from everywhere."""

from k8slearn.errors import Refused
from k8slearn.grading.checks import Failed, Work, check, hint


def addresses(work: Work, of_start: bool = False) -> list[str]:
    """The Service's cluster IPs."""
    cluster = work.at(work.started) if of_start else work.cluster
    try:
        return list(cluster.get("service", work.variant["service"])["spec"].get("clusterIPs") or [])
    except Refused:
        raise Failed(f"There is no Service {work.variant['service']}.") from None


def reached(work: Work, address: str) -> None:
    """Every Pod reaches this address; one on a node of its own too, which starts tomorrow."""
    for pod in work.pods("default"):
        work.connects(pod, address, work.variant["port"], hint="Follow it: which node ends it, and what decided there?")


@check("kept", asks="The Service has the IPv4 address that it had.")
def kept(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    before = addresses(work, of_start=True)[0]
    if before not in addresses(work):
        raise Failed(
            f"{before} is in other people's allow-lists, and the Service has {', '.join(addresses(work))} now."
        )


@check("both", points=2, asks="The Service has an address of both families, and every Pod reaches both.")
def both(work: Work) -> None:
    found = addresses(work)
    if len(found) < 2:
        raise Failed(f"The Service has one address only: {found[0]}.", "ipFamilyPolicy")
    for address in found:
        reached(work, address)


@check("node", asks="You know on which node IPv6 did not work.")
def node(work: Work) -> None:
    work.chose("node", work.variant["place.near"], "Trace from a Pod of each node to the IPv6 address.")


@hint
def now(work: Work) -> str:
    """What each Pod sees at each address, as things stand."""
    seen = [
        f"{pod.partition('/')[2]} to {address}: {work.trace(pod, address, work.variant['port']).outcome}"
        for address in addresses(work)
        for pod in work.pods("default")
    ]
    return f"As things stand: {', '.join(seen)}."

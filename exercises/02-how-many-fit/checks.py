"""Each number is worked out from the ranges that the cluster has."""

from ipaddress import ip_address, ip_network

from k8slearn.grading.checks import Work, check, hint


@check("nodes", asks="You know how many nodes the Pod range is enough for.")
def nodes(work: Work) -> None:
    one = ip_network(work.at(work.started).get("node", "node-1")["spec"]["podCIDR"])
    slices = ip_network(work.variant["pods.cidr"]).num_addresses // one.num_addresses
    hint = f"node-1 got {one}, which is {one.num_addresses} addresses. How often does that fit into the range?"
    work.chose("nodes", slices, hint)


@check("services", asks="You know how many addresses there are for Services.")
def services(work: Work) -> None:
    size = ip_network(work.variant["services.cidr"]).num_addresses
    work.chose("services", size - 2, f"The range has {size} addresses. Two of them are never given to a Service.")


@check("whose", asks="You know whose range an address is in.")
def whose(work: Work) -> None:
    ranges = {"the node network": "nodes.cidr", "the Pod network": "pods.cidr", "the cluster network": "services.cidr"}
    address = ip_address(work.variant["address.ip"])
    inside = (name for name, cidr in ranges.items() if address in ip_network(work.variant[cidr]))
    work.chose("whose", next(inside, "none of the three"), "From which address to which does each range go?")


@hint
def slices(work: Work) -> str:
    """What the nodes have been given of the range so far."""
    given = [f"{n['metadata']['name']} {n['spec']['podCIDR']}" for n in work.cluster.get("nodes")]
    return f"Out of {work.variant['pods.cidr']} the nodes have been given so far: {', '.join(given)}."

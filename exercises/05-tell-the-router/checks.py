"""Routes are for slices: what holds for today's Pods has to hold for tomorrow's."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


def conversations(work: Work):
    pods = [f"default/{work.variant[which]}" for which in ("one", "two", "three")]
    for source, destination in permutations(pods, 2):
        yield source, destination, work.trace(source, destination, work.variant["port"])


@check("every-pod", points=2, asks="Every Pod reaches every Pod.")
def every_pod(work: Work) -> None:
    for source, destination, _ in conversations(work):
        work.connects(
            source, destination, work.variant["port"], hint="Which machine on the way does not know the slice?"
        )


@check("own-address", asks="Whoever gets through is seen with the address of its own Pod.")
def own_address(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for source, destination, trace in conversations(work):
        own = work.cluster.get("pod", source.partition("/")[2])["status"]["podIP"]
        if trace.source_seen not in (None, own):
            said = f"{destination} sees {trace.source_seen} where {source} has {own}."
            raise Failed(said, "Law 3: which rule of yours rewrites the source?")


@check("tomorrow", asks="The router knows the way to Pods that are not there yet.")
def tomorrow(work: Work) -> None:
    for node in work.cluster.get("nodes"):
        address = node["spec"]["podCIDR"].rpartition(".")[0] + ".200"
        found = work.cluster.router().run(f"ip route get {address}").stdout
        via = node["status"]["addresses"][0]["address"]
        if f"via {via} " not in found:
            said = f"The router does not send {address}, an address of {node['metadata']['name']}'s slice, to {via}."
            raise Failed(said, "A row for one Pod is no row for the slice.")


@hint
def now(work: Work) -> str:
    """Who reaches whom, and seen as whom, as things stand."""
    return work.meetings(work.variant["port"])

"""Measured is what a transfer takes: in the one direction as long as the rate says, in every other no time."""

from k8slearn.grading.checks import Failed, Work, check

SIZE = 500_000


def seconds(work: Work, to: str, by: str) -> float:
    """How long the Pod `to` waits for half a million bytes that the Pod `by` sends."""
    server = work.cluster.get("pod", work.variant[by])["status"].get("podIP")
    url = f"http://{server}:{work.variant['port']}/bytes/{SIZE}"
    answer = work.cluster.request(f"default/{work.variant[to]}", url)
    if answer.status != 200:
        raise Failed(f"{work.variant[to]} no longer gets its bytes from {work.variant[by]}.\n{answer.explain()}")
    return answer.attempt.seconds


def as_fast_as_before(work: Work, to: str, by: str) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    took = seconds(work, to, by)
    if took > 0.1:
        said = f"{work.variant[to]} waits {took:.1f} seconds for half a million bytes from {work.variant[by]}."
        raise Failed(said, "A queue limits what leaves its device: by whom do these bytes leave?")


@check("receives", points=2, asks="The Pod receives at the rate that was asked for, whoever sends.")
def receives(work: Work) -> None:
    wanted = SIZE * 8 / (work.variant["rate"] * 1_000_000)
    for by in ("near", "far"):
        took = seconds(work, "slow", by)
        if not 0.9 * wanted < took < 1.2 * wanted:
            said = f"{work.variant['slow']} waits {took:.2f} seconds for half a million bytes from {work.variant[by]}."
            raise Failed(said, "Which device do they leave by, and is the rate in bits or in bytes?")


@check("sends", asks="What the Pod sends is as fast as before.")
def sends(work: Work) -> None:
    as_fast_as_before(work, "far", "slow")


@check("others", asks="The other Pods receive as fast as before.")
def others(work: Work) -> None:
    as_fast_as_before(work, "near", "far")
    as_fast_as_before(work, "far", "near")


@check("seconds", asks="You know how long half a million bytes take.")
def waits(work: Work) -> None:
    work.chose("seconds", SIZE * 8 // (work.variant["rate"] * 1_000_000), "How many bits are half a million bytes?")

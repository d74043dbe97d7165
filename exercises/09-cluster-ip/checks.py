"""The Service is asked what it does: who answers, who shares, who is left out."""

from k8slearn.grading.checks import Failed, Work, check, hint


def behind(work: Work) -> set[str]:
    """The addresses of the Pods that stand behind the Service, ready or not."""
    slices = work.cluster.get("endpointslices")
    mine = [s for s in slices if s["metadata"]["labels"].get("kubernetes.io/service-name") == work.variant["service"]]
    return {address for s in mine for e in s.get("endpoints") or () for address in e["addresses"]}


def address(work: Work, copy: str) -> str:
    return str(work.cluster.get("pod", f"{work.variant['app']}-{copy}")["status"]["podIP"])


def service(work: Work) -> dict:
    found = [s for s in work.cluster.get("services") if s["metadata"]["name"] == work.variant["service"]]
    if not found:
        raise Failed(f"There is no Service {work.variant['service']} in the namespace default yet.")
    return found[0]


@check("answers", points=2, asks="Whatever is drawn, the client's connection to the Service is answered.")
def answers(work: Work) -> None:
    names = work.variant
    hint = "Which port do clients use, and which port do the Pods listen on?"
    work.connects(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"], hint=hint)


@check("shared", asks="Every stable Pod stands behind the Service.")
def shared(work: Work) -> None:
    missing = [f"{work.variant['app']}-{c}" for c in "abc" if address(work, c) not in behind(work)]
    if missing:
        raise Failed(f"The Service sends nothing to {', '.join(missing)}.", "Which labels do all stable Pods carry?")


@check("no-canary", asks="The Service is there, and the next version is not behind it.")
def no_canary(work: Work) -> None:
    service(work)
    if address(work, "next") in behind(work):
        raise Failed(f"{work.variant['app']}-next gets connections too.", "Which label does it not share?")


@check("inside", asks="The Service serves clients inside the cluster alone.")
def inside(work: Work) -> None:
    spec = service(work)["spec"]
    ways_in = [port["nodePort"] for port in spec["ports"] if "nodePort" in port] + list(spec.get("externalIPs", ()))
    if ways_in:
        raise Failed(
            f"The world outside gets in by {ways_in[0]}.", "Which type of Service has an address inside alone?"
        )


@check("source", asks="You know whose address the Pods behind the Service see.")
def source(work: Work) -> None:
    work.chose("source", "the client Pod's", "Ask a trace: source_seen.")


@hint
def now(work: Work) -> str:
    """Who stands behind the Service, and what the client sees of it, as things stand."""
    names = work.variant
    port = service(work)["spec"]["ports"][0]
    pods = {p["status"].get("podIP"): p["metadata"]["name"] for p in work.cluster.get("pods")}
    told = ", ".join(sorted(pods.get(a, a) for a in behind(work))) or "nobody"
    seen = work.trace(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"]).outcome
    sends = f"It sends port {port['port']} to {port.get('targetPort', port['port'])}"
    return f"As things stand {names['service']} has behind it: {told}. {sends}, and {names['client']} sees: {seen}."

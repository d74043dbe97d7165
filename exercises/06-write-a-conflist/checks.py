"""What the configuration makes of the Pod's network, whatever its text is."""

from ipaddress import ip_address, ip_network

from k8slearn.grading.checks import Failed, Work, check, hint


def pod_ip(work: Work) -> str:
    found = work.cluster.get("pod", work.variant["app"])["status"].get("podIP")
    if not found:
        raise Failed(
            f"{work.variant['app']} has no address yet.", "`kubectl get events`, and `cluster.advance(seconds=15)`."
        )
    return str(found)


@check("address", asks="The Pod has an address of the range.")
def address(work: Work) -> None:
    wanted = ip_network(f"10.{work.variant['octet']}.0.0/24")
    if ip_address(pod_ip(work)) not in wanted:
        raise Failed(
            f"{work.variant['app']} has {pod_ip(work)}, which is not in {wanted}.", "Which plugin hands out addresses?"
        )


@check("bridge", asks="It hangs on the bridge of that name.")
def bridge(work: Work) -> None:
    pod_ip(work)
    ports = [line for line in work.cluster.node("node-1").run("bridge link").stdout.splitlines() if "veth" in line]
    if not any(f"master {work.variant['bridge']} " in line for line in ports):
        raise Failed(f"No Pod's cable is plugged into {work.variant['bridge']}.", "`bridge link` on node-1.")


@check("node", asks="The node reaches the Pod.")
def node(work: Work) -> None:
    pod_ip(work)
    work.connects(
        "node:node-1", f"default/{work.variant['app']}", work.variant["port"], hint="Law 2: agents reach their Pods."
    )


@check("outside", asks="The Pod reaches the world outside.")
def outside(work: Work) -> None:
    pod_ip(work)
    work.connects(f"default/{work.variant['app']}", "outside", 80, hint="Who knows a way back to the Pod's address?")


@hint
def now(work: Work) -> str:
    """What the runtime finds, and what became of the Pod, as things stand."""
    files = work.cluster.node("node-1").run("ls /etc/cni/net.d").stdout.split()
    status = work.cluster.get("pod", work.variant["app"])["status"]
    told = [e["message"] for e in work.cluster.get("events") if e["involvedObject"]["name"] == work.variant["app"]]
    address = status.get("podIP") or "no address"
    last = told[-1] if told else "(none)"
    found = ", ".join(files) or "nothing"
    return f"In /etc/cni/net.d: {found}. {work.variant['app']} has {address}; its last event: {last}"

"""Each answer is what the plugin says in a copy of the cluster, called as the task tells it."""

import json

from k8slearn.grading.checks import Failed, Work, check, hint


class Calls:
    """The calls of the task, in their order, on a copy of the learner's node."""

    def __init__(self, work: Work) -> None:
        names = work.variant
        self.node = work.cluster.at(work.started).node("node-1")
        ipam = {"type": "host-local", "subnet": f"10.{names['octet']}.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
        self.config = {"cniVersion": "1.0.0", "name": names["network"], "type": "bridge", "bridge": names["bridge"]}
        self.config |= {"isGateway": True, "ipam": ipam}
        self.first = self.call("ADD", "one").stdout
        self.again = self.call("ADD", "one").exit_code
        self.node.run("ip -n one addr flush dev eth0")
        self.checked = self.call("CHECK", "one", prevResult=json.loads(self.first)).exit_code
        self.call("ADD", "two")
        self.call("DEL", "one")
        self.twice = self.call("DEL", "one").exit_code
        self.next = json.loads(self.call("ADD", "one").stdout)["ips"][0]["address"].partition("/")[0]
        self.kept = len(book(self.node, names["network"]))

    def call(self, command: str, container: str, **more):
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": f"/var/run/netns/{container}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin",
        }
        return self.node.run("/opt/cni/bin/bridge", stdin=json.dumps({**self.config, **more}), env=environ)


def book(node, network: str) -> list[str]:
    """The addresses that host-local has given out for this network."""
    return [name for name in node.run(f"ls /var/lib/cni/networks/{network}").stdout.split() if name[0].isdigit()]


@check("again", asks="You know what ADD says to what is there already.")
def again(work: Work) -> None:
    work.chose("again", Calls(work).again, "What would the second interface be called?")


@check("checked", asks="You know what CHECK compares.")
def checked(work: Work) -> None:
    work.chose("checked", Calls(work).checked, "CHECK gets what ADD said, and looks whether it is so.")


@check("twice", asks="You know why DEL may be called as often as one likes.")
def twice(work: Work) -> None:
    work.chose(
        "twice", Calls(work).twice, "What if a runtime was interrupted, and does not know whether it had called DEL?"
    )


@check("next", asks="You know how host-local chooses.")
def following(work: Work) -> None:
    work.chose("next", Calls(work).next, "`ls` in host-local's book: it remembers more than who has what.")


@check("kept", asks="You know what is in host-local's book.")
def kept(work: Work) -> None:
    work.chose("kept", Calls(work).kept, "Who has an address at the end?")


@hint
def now(work: Work) -> str:
    """What host-local's book says, as things stand."""
    names, node = work.variant, work.cluster.node("node-1")
    given = ", ".join(book(node, names["network"])) or "nothing"
    last = node.run(f"cat /var/lib/cni/networks/{names['network']}/last_reserved_ip.0").stdout.strip() or "none"
    return f"As things stand the book of {names['network']} lists: {given}. The address that it gave out last: {last}."


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        missing = ", ".join(late) or "No answer"
        raise Failed(f"{missing} was not given before the cluster was touched: reset, and predict.")

"""bridge with a gateway, masquerade, and a book of the range."""

import json


def conflist(exercise, **changes):
    names = exercise.variant
    ipam = {"type": "host-local", "subnet": f"10.{names['octet']}.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = {"type": "bridge", "bridge": names["bridge"], "isGateway": True, "ipMasq": True, "ipam": ipam, **changes}
    return json.dumps({"cniVersion": "1.0.0", "name": "mine", "plugins": [plugin]})


def install(exercise, text):
    exercise.cluster.node("node-1").run("tee /etc/cni/net.d/10-mine.conflist", stdin=text)
    exercise.cluster.advance(seconds=15)


def solve(exercise):
    install(exercise, conflist(exercise))


def solve_with_ranges(exercise):
    names = exercise.variant
    ranges = [[{"subnet": f"10.{names['octet']}.0.0/24"}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    install(exercise, conflist(exercise, ipam=ipam))


def solve_with_a_rule_of_ones_own(exercise):
    subnet = f"10.{exercise.variant['octet']}.0.0/24"
    exercise.cluster.node("node-1").run(f"iptables -t nat -A POSTROUTING -s {subnet} ! -d {subnet} -j MASQUERADE")
    install(exercise, conflist(exercise, ipMasq=False))

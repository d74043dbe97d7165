# expect: bridge
"""The network's name is the bridge's name."""

import json


def solve(exercise):
    names = exercise.variant
    ipam = {"type": "host-local", "subnet": f"10.{names['octet']}.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = {"type": "bridge", "isGateway": True, "ipMasq": True, "ipam": ipam}
    text = json.dumps({"cniVersion": "1.0.0", "name": names["bridge"], "plugins": [plugin]})
    exercise.cluster.node("node-1").run("tee /etc/cni/net.d/10-mine.conflist", stdin=text)
    exercise.cluster.advance(seconds=15)

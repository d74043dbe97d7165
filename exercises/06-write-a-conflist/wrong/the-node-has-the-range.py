# expect: address
"""The range is the one that the Node object names."""

import json


def solve(exercise):
    names = exercise.variant
    ipam = {"type": "host-local", "subnet": "10.244.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = {"type": "bridge", "bridge": names["bridge"], "isGateway": True, "ipMasq": True, "ipam": ipam}
    text = json.dumps({"cniVersion": "1.0.0", "name": "mine", "plugins": [plugin]})
    exercise.cluster.node("node-1").run("tee /etc/cni/net.d/10-mine.conflist", stdin=text)
    exercise.cluster.advance(seconds=15)

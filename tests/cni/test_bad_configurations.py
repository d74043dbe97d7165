"""The configurations that people get wrong: one code of the specification, one clear sentence, the same as in life."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.cni import netconf, spec
from k8slearn.cni.skel import BINARIES
from k8slearn.cni.spec import CniError

from .live import agree, call
from .runner import Tokens, do, machine

LEASES = {"type": "host-local", "dataDir": "$TMP/ipam", "ranges": [[{"subnet": "10.1.0.0/24"}]]}
GOOD = {"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni0", "ipam": LEASES}


def ranged(**fields: str) -> dict[str, Any]:
    return {**GOOD, "ipam": {**LEASES, "ranges": [[{"subnet": "10.1.0.0/24", **fields}]]}}


ADD = call("bridge", "ADD", GOOD)
NOWHERE = "/var/run/netns/nowhere"
BAD: dict[str, tuple[list[dict[str, Any]], int, str]] = {
    "unknown version": (
        [call("bridge", "ADD", {**GOOD, "cniVersion": "9.9.9"})],
        spec.INCOMPATIBLE_VERSION,
        "incompatible CNI versions",
    ),
    "wrong JSON": (
        [call("bridge", "ADD", '{"cniVersion": "1.0.0", "name": "net",')],
        spec.DECODING_FAILURE,
        "error unmarshall network config: unexpected end of JSON input",
    ),
    "no name": ([call("bridge", "ADD", {**GOOD, "name": ""})], spec.INVALID_CONFIG, "missing network name"),
    "missing variable": (
        [call("bridge", "ADD", GOOD, CNI_NETNS="", CNI_IFNAME="")],
        spec.BAD_ENVIRONMENT,
        "required env variables [CNI_NETNS,CNI_IFNAME] missing",
    ),
    "missing netns": (
        [call("bridge", "ADD", GOOD, CNI_NETNS=NOWHERE)],
        spec.INTERNAL,
        f'failed to open netns "{NOWHERE}": failed to Statfs "{NOWHERE}": no such file or directory',
    ),
    "IPAM plugin not on the path": (
        [call("bridge", "ADD", {**GOOD, "ipam": {"type": "nosuch"}})],
        spec.INTERNAL,
        f'failed to find plugin "nosuch" in path [{BINARIES}]',
    ),
    "range outside the subnet": (
        [call("host-local", "ADD", ranged(rangeStart="10.2.0.5"))],
        spec.INTERNAL,
        "invalid range set 0: RangeStart 10.2.0.5 not in network 10.1.0.0/24",
    ),
    "range that ends outside the subnet": (
        [call("host-local", "ADD", ranged(rangeEnd="10.1.1.5"))],
        spec.INTERNAL,
        "invalid range set 0: RangeEnd 10.1.1.5 not in network 10.1.0.0/24",
    ),
    "subnet with host bits": (
        [call("host-local", "ADD", {**GOOD, "ipam": {**LEASES, "ranges": [[{"subnet": "10.1.0.9/24"}]]}})],
        spec.INTERNAL,
        "invalid range set 0: Network has host bits set. "
        "For a subnet mask of length 24 the network address is 10.1.0.0",
    ),
    "two plugins that claim one interface": (
        [ADD, call("bridge", "ADD", {**GOOD, "name": "other", "bridge": "cni1"})],
        spec.INTERNAL,
        "container veth name provided (eth0) already exists",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_gives_the_specifications_code_and_one_sentence(name: str) -> None:
    steps, code, sentence = BAD[name]
    world, tokens = machine("kcni-pod1"), Tokens()
    done = [do(world, step, tokens) for step in steps][-1]
    said = json.loads(done.stdout)
    assert (done.exit_code, said["code"], said["msg"]) == (1, code, sentence)


@pytest.mark.root
def test_the_reference_plugins_say_the_same() -> None:
    for name, (steps, _, _) in BAD.items():
        if "not on the path" not in name:
            agree(steps, ("pod1",), {})


@pytest.mark.root
def test_a_gateway_outside_the_subnet_is_not_host_locals_affair() -> None:
    """It hands it on as it is (so does ours); the pod's kernel refuses the route later."""
    agree([call("host-local", "ADD", ranged(gateway="10.9.0.1"))], ("pod1",), {})
    world, tokens = machine("kcni-pod1"), Tokens()
    routed = {**ranged(gateway="10.9.0.1"), "isDefaultGateway": True}
    said = json.loads(do(world, call("bridge", "ADD", routed), tokens).stdout)
    assert said["code"] == spec.INTERNAL
    assert "network is unreachable" in said["msg"]


def test_a_plugin_without_a_type_is_no_configuration() -> None:
    text = json.dumps({"cniVersion": "1.0.0", "name": "net", "plugins": [{"bridge": "cni0"}]})
    with pytest.raises(CniError) as error:
        netconf.read({"x.conflist": text}, "x.conflist")
    assert str(error.value) == "failed to parse plugin config 0: error parsing configuration: missing 'type'"


def test_the_pods_event_carries_the_sentence_and_no_traceback() -> None:
    c = Cluster(nodes=1, network="bridge")
    plugins = [{"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.1.0.9/24"}}]
    text = json.dumps({"cniVersion": "1.0.0", "name": "net", "plugins": plugins})
    c.node("node-1").run("tee /etc/cni/net.d/00-bad.conflist", stdin=text)
    spec_ = {"nodeName": "node-1", "containers": [{"name": "c", "image": "nginx"}]}
    c.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec_})
    said = c.kubectl("describe pod a")
    assert 'plugin type="bridge" failed (add): invalid range set 0: Network has host bits set.' in said
    assert "Traceback" not in said

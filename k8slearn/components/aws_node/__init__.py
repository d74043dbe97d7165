"""aws-node: the agent of the AWS VPC CNI, which lets pods have addresses of the nodes' own network.

On every node it prepares the host (`host`): rules and chains by which pods' packets to the world outside leave by the
primary ENI with the node's address. Then it keeps addresses warm: as long as fewer are free than a whole ENI has
(``WARM_ENI_TARGET=1``), it asks EC2 for more, on the ENIs that are there or on another one; with ``WARM_IP_TARGET`` it
counts single addresses. A node has as many as its instance type allows, and then pods wait.

When the agent dies, pods that run go on; a new one finds no address, since only ipamd gives them.

Left out: giving addresses and ENIs back, prefix delegation, custom networking, the network policy agent, IPv6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slearn.api.events import event
from k8slearn.cni import cri, ec2, ipamd
from k8slearn.components import Settings
from k8slearn.components.aws_node import host
from k8slearn.journal import Commands, Key, World

NO_VPC = 'the node network is no VPC: its machines need ENIs, which Cluster(network="vpc") gives them'


class AwsNode:
    """Keys: nodes, by name."""

    name = "aws-node"

    def watches(self) -> Mapping[str, str]:
        return {"container": "its own", "ipamd": "addresses that pods took", "eni": "what EC2 has given"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, _ = changed
        row = world.get(changed)
        if table == "container":
            return (scope.removeprefix("node:"),) if row is not None and row.program == ipamd.PROGRAM else ()
        node = row.machine if table == "eni" and row is not None else scope
        return (node.removeprefix("node:"),) if node.startswith("node:") else ()

    def reconcile(self, world: World, key: str) -> Commands:
        node, obj = f"node:{key}", world.get(("api", "nodes", key))
        if obj is None or not ipamd.answers(world, node):
            return
        if not ec2.enis(world, node):
            said = event(world, obj, "NoVpc", NO_VPC, self.name, "Warning")
            if world.get(said.key) is None:
                yield said
            return
        cause: Key = ("api", "nodes", key)
        for command in _work(world, node):
            yield command if command.cause is not None else command._replace(cause=cause)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _work(world: World, node: str) -> Commands:
    settings: Settings = world.get(("cluster", "settings", ""))
    env = cri.environment(world, node, ipamd.PROGRAM)
    here = settings.subnet_of(ec2.enis(world, node)[0].primary)
    subnet = here.cidr if here is not None else settings.node_cidr
    yield from host.prepare(world, node, settings.node_cidr, env)
    for eni in ec2.enis(world, node)[1:]:
        if world.get((node, "link", eni.link)) is None:
            yield from ec2.replug(world, eni)
            yield from host.eni(world, node, eni, subnet)
    yield from _first(world, node, subnet, env)
    while short := _short(world, node, env):
        before = world.table(ec2.CLOUD, "eni").index(_given)
        yield from _more(world, node, subnet, short, env)
        if world.table(ec2.CLOUD, "eni").index(_given) == before:
            return


def _given(rows: Mapping[object, ec2.Eni]) -> int:
    return sum(1 + len(eni.secondaries) for eni in rows.values())


def _first(world: World, node: str, subnet: str, env: Mapping[str, str]) -> Commands:
    """At its start ipamd fills the primary ENI (unless it counts single addresses)."""
    primary = ec2.enis(world, node)[0]
    if not primary.secondaries and not env.get("WARM_IP_TARGET"):
        yield from ec2.assign(world, primary, subnet, ec2.ADDRESSES - 1)


def _short(world: World, node: str, env: Mapping[str, str]) -> int:
    """How many addresses are missing in the warm pool (`datastorePoolTooLow`)."""
    held = {address for address, lease in ipamd.leases(world, node).items() if lease.freed is None}
    every = [address for eni in ec2.enis(world, node) for address in eni.secondaries]
    free = len(every) - len(held.intersection(every))
    if env.get("WARM_IP_TARGET"):
        least = int(env.get("MINIMUM_IP_TARGET") or 0) - len(every)
        return max(int(env["WARM_IP_TARGET"]) - free, least, 0)
    wanted = int(env.get("WARM_ENI_TARGET") or 1) * (ec2.ADDRESSES - 1)
    return ec2.ADDRESSES - 1 if free < wanted else 0


def _more(world: World, node: str, subnet: str, short: int, env: Mapping[str, str]) -> Commands:
    """On an ENI with room, else on a new one."""
    eni = next((eni for eni in ec2.enis(world, node) if len(eni.secondaries) < ec2.ADDRESSES - 1), None)
    if eni is None:
        if len(ec2.enis(world, node)) >= int(env.get("MAX_ENI") or ec2.ENIS):
            return
        yield from ec2.attach(world, node, subnet)
        eni = ec2.enis(world, node)[-1]
        if eni.secondaries:
            return
        yield from host.eni(world, node, eni, subnet)
    yield from ec2.assign(world, eni, subnet, short)

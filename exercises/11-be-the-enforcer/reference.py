"""Three rules on the Pod's own node: answers, what is allowed, and the rest."""


def address(exercise, which):
    return exercise.cluster.get("pod", exercise.variant[which])["status"]["podIP"]


def rules(exercise, node, *rules, chain="FORWARD"):
    """The first of these rules comes to stand first."""
    for rule in reversed(rules):
        exercise.cluster.node(exercise.variant[f"place.{node}"]).run(f"iptables -I {chain} {rule}")


def wanted(exercise, port="port"):
    to, source = address(exercise, "server"), address(exercise, "client")
    answers = f"-d {to} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    allowed = f"-s {source} -d {to} -p tcp --dport {exercise.variant[port]} -j ACCEPT"
    return answers, allowed, f"-d {to} -j DROP"


def solve(exercise):
    exercise.answer("who", "nobody")
    rules(exercise, "far", *wanted(exercise))


def solve_with_a_set(exercise):
    """As Calico does it: a set of addresses for the selector, and a chain for the policy."""
    exercise.answer("who", "nobody")
    to, node = address(exercise, "server"), exercise.cluster.node(exercise.variant["place.far"])
    node.run("ipset create clients hash:ip")
    node.run(f"ipset add clients {address(exercise, 'client')}")
    node.run("iptables -N policy")
    node.run("iptables -A policy -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")
    allowed = f"-p tcp --dport {exercise.variant['port']} -m set --match-set clients src"
    node.run(f"iptables -A policy {allowed} -j RETURN")
    node.run("iptables -A policy -j DROP")
    node.run(f"iptables -I FORWARD -d {to} -j policy")

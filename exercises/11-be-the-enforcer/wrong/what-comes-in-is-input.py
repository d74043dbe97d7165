# expect: kept-out
"""What comes in to a Pod comes in to its node."""


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
    rules(exercise, "far", *wanted(exercise), chain="INPUT")

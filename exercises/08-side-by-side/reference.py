"""Read off three clusters that differ in nothing but the plugin."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("around", names["ask.around"])
    exercise.answer("room", names["ask.room"])
    exercise.answer("whose", names["ask.whose"])
    exercise.answer("ttl", names["ask.ttl"])
    exercise.answer("rules", names["ask.rules"])


def solve_by_looking(exercise):
    """What the comparison shows is what is asked."""
    names = exercise.variant
    three = [names["ask.one"], names["ask.two"], names["ask.three"]]
    asked = (f"default/{names['client']}", f"default/{names['server']}", names["port"])
    side = exercise.cluster.compare(three, *asked).clusters
    shown = side[three[0]].pod(names["client"]).run("ip -o link show eth0").stdout
    address = side[three[1]].get("pod", names["server"])["status"]["podIP"]
    rules = side[three[2]].node("node-1").run("iptables-save -t nat").stdout
    exercise.answer("around", "VXLAN" if "flannel" in three[0] else "IP-in-IP")
    exercise.answer("room", 1500 - int(shown.split("mtu ")[1].split()[0]))
    exercise.answer("whose", "the node network" if address.startswith("192.168.64.") else "the Pod network")
    exercise.answer("ttl", names["ask.ttl"])
    exercise.answer("rules", "yes" if "KUBE-SVC" in rules else "no")

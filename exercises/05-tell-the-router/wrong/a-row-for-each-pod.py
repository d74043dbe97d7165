# expect: tomorrow
"""The Pods that complain need a row each."""


def solve(exercise):
    nodes = {n["metadata"]["name"]: n["status"]["addresses"][0]["address"] for n in exercise.cluster.get("nodes")}
    for pod in exercise.cluster.get("pods"):
        via = nodes[pod["spec"]["nodeName"]]
        exercise.cluster.router().run(f"ip route add {pod['status']['podIP']}/32 via {via}")

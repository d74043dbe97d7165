# expect: home
"""Cluster is taken to keep the address on the Pod's own node, and Local to lose it."""

OWN, ASKED = "its own address", "the address of the node that was asked"
BRIDGE, NOBODY = "the address of the bridge on the Pod's node", "nothing: the request does not arrive"


def solve(exercise):
    local = exercise.variant["policy"] == "Local"
    exercise.answer("inside", OWN)
    exercise.answer("home", BRIDGE if local else OWN)
    exercise.answer("away", NOBODY if local else ASKED)

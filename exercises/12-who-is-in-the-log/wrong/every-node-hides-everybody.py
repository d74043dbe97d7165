# expect: inside
"""A ClusterIP is taken to masquerade as a node's port does."""

OWN, ASKED = "its own address", "the address of the node that was asked"
BRIDGE, NOBODY = "the address of the bridge on the Pod's node", "nothing: the request does not arrive"


def solve(exercise):
    local = exercise.variant["policy"] == "Local"
    exercise.answer("inside", ASKED)
    exercise.answer("home", OWN if local else BRIDGE)
    exercise.answer("away", NOBODY if local else ASKED)

# expect: home
"""The address of a masquerade is taken to be the node's, whatever interface the packet leaves by."""

OWN, ASKED = "its own address", "the address of the node that was asked"
BRIDGE, NOBODY = "the address of the bridge on the Pod's node", "nothing: the request does not arrive"


def solve(exercise):
    local = exercise.variant["policy"] == "Local"
    exercise.answer("inside", OWN)
    exercise.answer("home", ASKED)
    exercise.answer("away", NOBODY if local else ASKED)

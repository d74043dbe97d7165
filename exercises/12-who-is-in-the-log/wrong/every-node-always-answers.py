# expect: away
"""The policy is taken to change the address only, and not who answers."""

OWN, ASKED = "its own address", "the address of the node that was asked"
BRIDGE, NOBODY = "the address of the bridge on the Pod's node", "nothing: the request does not arrive"


def solve(exercise):
    local = exercise.variant["policy"] == "Local"
    exercise.answer("inside", OWN)
    exercise.answer("home", OWN if local else BRIDGE)
    exercise.answer("away", OWN)

# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    client, server = (f"default/{exercise.variant[end]}" for end in ("client", "server"))
    for source, destination in ((client, server), (server, client)):
        exercise.cluster.send(source, destination, exercise.variant["port"])
    exercise.answer("address", f"10.244.{exercise.variant['place.whole_slice']}.2")
    exercise.answer("closed", "refused")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "timeout")

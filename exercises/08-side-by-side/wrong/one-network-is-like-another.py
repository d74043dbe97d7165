# expect: whose
"""Addresses of Pods are where they always are, or where they never were."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("around", names["ask.around"])
    exercise.answer("room", names["ask.room"])
    exercise.answer("whose", "the Pod network" if names["ask.two"] == "vpc" else "the node network")
    exercise.answer("ttl", names["ask.ttl"])
    exercise.answer("rules", names["ask.rules"])

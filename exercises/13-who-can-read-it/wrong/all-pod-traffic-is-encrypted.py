# expect: near
"""Encryption is on, so every packet between Pods is encrypted."""


def solve(exercise):
    native = exercise.variant["mode.routing"] == "native"
    exercise.answer("near", "cipher")
    exercise.answer("far", "cipher")
    exercise.answer("host", "plain" if native else "cipher")
    exercise.answer("out", "plain")

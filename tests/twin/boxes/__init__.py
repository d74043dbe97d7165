"""Boxes and links: small networks of Linux machines, drawn at random, told to a real kernel and to ours alike."""

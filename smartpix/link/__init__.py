"""Codes of a cluster on the link: what leaves the chip, in how many bits, and what the host makes of it."""

"""Events with something changed."""

from tests.helpers import random_events

EVENTS = random_events(2, [3, 0, 4, 2])


def retyped(name, change):
    return lambda branches: branches | {name: change(branches[name])}

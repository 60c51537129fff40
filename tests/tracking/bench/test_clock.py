import pytest

from tracking.bench import clock


def test_calls_take_turns_after_a_warm_up_and_medians_are_shown(monkeypatch):
    now, order = [0.0], []
    monkeypatch.setattr(clock, "stage_time", lambda: lambda: now[0])
    # The first of each is slow, as compilation is, and one of the others is, as on a busy machine.
    lasts = {"a": [100.0, 1.0, 2.0, 9.0], "b": [50.0, 7.0, 3.0, 4.0]}

    def call(name):
        order.append(name)
        now[0] += lasts[name][order.count(name) - 1]
        return name, order.count(name)

    times, results = clock.time_in_turn({name: lambda name=name: call(name) for name in lasts}, 3)
    assert order == ["a", "b"] * 4
    assert times == pytest.approx({"a": 2.0, "b": 4.0})
    assert results == {"a": ("a", 4), "b": ("b", 4)}

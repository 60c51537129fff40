"""The instruction sets that a ratio of times depends on."""

import numba

from tracking.bench import instructions


def test_ours_are_those_of_the_host_unless_it_is_told_otherwise(monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_NAME", None)
    host = instructions.instruction_sets()["ours"]
    assert host["numba"] == numba.__version__
    assert "sse2" in host["instructions"]
    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "")
    assert instructions.instruction_sets()["ours"] | {"numba": ""} == {
        "numba": "", "cpu": "generic", "instructions": ["sse2"],
    }  # fmt: skip


def test_acts_are_known_for_versions_that_were_looked_at(monkeypatch):
    monkeypatch.setattr(instructions, "version", lambda name: "48.1.0")
    assert instructions.instruction_sets()["acts"] == {"pyacts": "48.1.0", "instructions": ["sse2"]}
    monkeypatch.setattr(instructions, "version", lambda name: "99.0")
    assert instructions.instruction_sets()["acts"]["instructions"] is None

    def missing(name):
        raise instructions.PackageNotFoundError

    monkeypatch.setattr(instructions, "version", missing)
    assert instructions.instruction_sets()["acts"] == {"pyacts": None, "instructions": None}

"""Write docs/cite.md from the table of references: python docs/make_cite.py."""

from pathlib import Path

from tracking.citations import PARTS, REFERENCES

INTRODUCTION = """\
# To cite

<!-- Made by docs/make_cite.py from tracking/citations.py: edit there. -->

Cite smartpix as its `CITATION.cff` says, and the works below whose parts you use. `smartpix --cite`
prints them. `smartpix run` lists those that apply to its options, at its end and under `cite` in
`summary.json`. To our knowledge no other system sizes its search from a calibrated covariance per
hit; its close relatives come first.
"""


def cite() -> str:
    """The whole page."""
    lines = [*INTRODUCTION.splitlines(), ""]
    for part, title in PARTS.items():
        lines += [f"## {title}", ""]
        for reference in REFERENCES:
            if reference.part == part:
                where = f"{reference.journal}, " if reference.journal else ""
                name = reference.identifier.replace("https://github.com/", "")
                lines += [
                    f"- {reference.topic}: {reference.authors}, {where}",
                    f"  [{name}]({reference.address})",
                ]
        lines.append("")
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    Path(__file__).with_name("cite.md").write_text(cite(), encoding="utf-8")

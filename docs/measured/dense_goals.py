"""What dense environments were to reach, and what `smartpix bench dense` measured."""

from collections.abc import Iterable

from page_text import table

from measured.results import results


def dense_goals() -> str:
    """Each goal with what is measured, whether it holds or not."""
    dense = results("bench-dense")
    samples, merged, endcap = dense["samples"], dense["merged"], dense["endcap"]
    jets, loose = (samples["jets"]["finders"][who] for who in ("ours-split", "acts-loose"))
    apart = samples["cores"]["differences"]
    nearest = min(apart, key=lambda who: apart[who]["efficiency"])
    won = samples["cores"]["won"]["ours-split"]["share_won"]
    slower = [cost["ratio"] - 1 for cost in dense["splitting"].values()]
    pairs = [kinds["pair"] for kinds in merged["positions"].values()]
    widths = [ratio for r in pairs for ratio in r["half_width_ratio"].values()]
    pulls = [width for r in pairs for width in r["pull_width"].values()]
    found = [merged[key]["found_separable"] for key in ("float", "endcap", "chip")]
    wrong = [merged[key]["miscalibration"] for key in ("float", "endcap")]
    chip = merged["auc"] - merged["auc_chip"]
    mixture = endcap["mixture"]
    bimodal = [width for r in mixture for width in r["pull_width"].values()]
    held = [
        abs(r[key] - share) for r in mixture for key, share in (("within_68", 0.683), ("within_95", 0.954))
    ]
    edges = endcap["edges"]["at_equal_share"]["endcap"]["edges_ratio"]
    gap = jets["efficiency"] - loose["efficiency"]
    rows = [
        ("`jets`: efficiency", "0.9935", f"{jets['efficiency']:.4f}", jets["efficiency"] >= 0.9935),
        ("`jets`: fakes", "0.001 at most", f"{jets['fake_rate']:.4f}", jets["fake_rate"] <= 0.001),
        ("`jets`: above `acts-loose`", "0", f"{gap:+.4f}", gap > 0),
        (
            f"`cores`: above every other finder (nearest: `{nearest}`)", "0.02",
            f"{apart[nearest]['efficiency']:+.4f}", apart[nearest]["efficiency"] >= 0.02,
        ),
        ("`cores`: share won of the lost", "0.5", f"{won:.2f}", won >= 0.5),
        ("collisions alone: chain slower by", "0.05 at most", _range(slower, 3), max(slower) <= 0.05),
        ("separable pairs found", "0.80", _range(found, 3), min(found) >= 0.8),
        ("probabilities, worst bin", "0.02 at most", _range(wrong, 3), max(wrong) <= 0.02),
        ("AUC lost on the chip", "0.01 at most", f"{chip:.4f}", chip <= 0.01),
        ("chip: mismatches", "0", f"{merged['csim_mismatches']}", merged["csim_mismatches"] == 0),
        ("pairs: half widths, in lone ones", "1.6 at most", _range(widths, 2), max(widths) <= 1.6),
        ("pairs: widths of pulls", "0.95 to 1.05", _range(pulls, 2), _within(pulls, 0.05)),
        ("end-caps: widths of pulls", "0.95 to 1.05", _range(bimodal, 2), _within(bimodal, 0.05)),
        ("end-caps: off 68 and 95 %", "0.02 at most", _range(held, 3), max(held) <= 0.02),
        ("end-caps: edges at equal efficiency", "below 1", f"{edges:.3f}", edges < 1),
    ]  # fmt: skip
    body = [[*words, "yes" if holds else "**no**"] for *words, holds in rows]
    return table(["what", "wanted", "measured", "held"], body)


def _range(values: Iterable[float], digits: int) -> str:
    values = list(values)
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def _within(values: Iterable[float], off: float) -> bool:
    return all(abs(value - 1) <= off for value in values)

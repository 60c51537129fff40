"""The table of the study of smart pixels, and numbers of its page."""

from page_text import table

from measured.results import number, results
from tracking.bench.smart_pixels_table import settings

SHORT = {
    "pitch along r-phi, µm": "r-phi pitch",
    "pitch along z, µm": "z pitch",
    "thickness, µm": "thickness",
    "bits of charge": "bits",
}


def smart_pixels() -> str:
    """What sensor, readout and link buy."""
    body = []
    for lever, label, n in settings(results("smart-pixels")):
        widths = n.get("half_width_68", {})
        low, high = n["track_efficiency_interval"]
        body.append(
            [
                f"{SHORT.get(lever, lever)}: {label}",
                number(n.get("bits_per_cluster"), ".0f"),
                number(widths.get("y_um"), ".2f"),
                number(widths.get("cot_alpha"), ".3f"),
                number(widths.get("cot_beta"), ".4f"),
                f"{n['edge_efficiency']:.4f}",
                f"{n['reduction']:.2f}",
                f"{n['track_efficiency']:.4f} ± {(high - low) / 2:.3f}",
                f"{n['fake_rate']:.4f}",
                f"{n['resolution_d0_um']:.1f}",
            ]
        )
    head = [
        "setting",
        "bits",
        "y, µm",
        "cot alpha",
        "cot beta",
        "edges",
        "reduction",
        "found",
        "fakes",
        "d0, µm",
    ]
    return table(head, body)


def smart_pixels_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/smart-pixels.md."""
    options = results("smart-pixels")["options"]
    return {
        "{} events of pile-up {} each": (str(options["events"]), str(options["pileup"])),
        "{} crossings": (f"{options['crossings']:,}",),
    }

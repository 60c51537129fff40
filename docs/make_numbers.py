"""Write the measured tables and numbers of the README and of the pages written by hand, from
benchmarks/results: python docs/make_numbers.py.

A table stands between ``<!-- table: NAME -->`` and ``<!-- /table -->``; :data:`TABLES` names what makes it. A
number in a sentence is found by the words around it; ``docs/measured/sentences.py`` has them, ``{}`` for each
number.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measured import (
    acts,
    chip,
    choices,
    dense,
    dense_goals,
    detectors,
    fields,
    graphs,
    link,
    lost,
    radiation,
    scaling,
    sensor,
    smart_pixels,
    systematics,
    trigger,
    trkx,
)
from measured.headline import headline
from measured.results import ROOT, WORDS
from measured.sentences import sentences
from page_text import wrap

HEADLINE = re.compile(r"(<!-- headline -->\n).*?(<!-- /headline -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)
NUMBER = rf"(?:\d+(?:[.,]\d+)*(?:e-\d+)?|{'|'.join(WORDS)})"
TABLES: dict[str, Callable[[], str]] = {
    "acts-chain": acts.acts_chain,
    "acts-clusters": acts.acts_clusters,
    "dense-counting": dense.dense_counting,
    "dense-edges": dense.dense_edges,
    "dense-possibilities": dense.dense_possibilities,
    "dense-endcap": dense.dense_endcap,
    "dense-estimates": dense.dense_estimates,
    "dense-finders": dense.dense_finders,
    "dense-goals": dense_goals.dense_goals,
    "dense-positions": dense.dense_positions,
    "dense-resolutions": dense.dense_resolutions,
    "detector-chain": detectors.detector_chain,
    "layouts": detectors.layouts,
    "strips": detectors.strips,
    "propagators": detectors.propagators,
    "odd-events": detectors.odd_events,
    "helix": detectors.helix,
    "smart-pixels": smart_pixels.smart_pixels,
    "field-map": fields.field_map,
    "errors-by-shape": graphs.errors_by_shape,
    "irradiated-sensor": radiation.irradiated_sensor,
    "irradiated-estimates": radiation.irradiated_estimates,
    "irradiated-chain": radiation.irradiated_chain,
    "dead-modules": lost.dead_modules,
    "soft-particles": lost.soft_particles,
    "lone-particles": lost.lone_particles,
    "loopers": lost.loopers,
    "dead-search": lost.dead_search,
    "export": chip.export,
    "chain-kinds": chip.chain_kinds,
    "front": chip.front,
    "front-sums": chip.front_sums,
    "merged-anomaly": dense.merged_anomaly,
    "merged-front": dense.merged_front,
    "merged-toy": dense.merged_toy,
    "merged-transfer": dense.merged_transfer,
    "quantised": chip.quantised,
    "reload": chip.reload,
    "reload-sizes": chip.reload_sizes,
    "table-counts": chip.table_counts,
    "mdn-resolution": sensor.mdn_resolution,
    "mdn-calibration": sensor.mdn_calibration,
    "levers": sensor.levers,
    "builders": trigger.builders,
    "garnet-sectors": trigger.garnet_sectors,
    "link-codes": link.link_codes,
    "link-differs": link.link_differs,
    "link-encoders": link.link_encoders,
    "link-retrained": link.link_retrained,
    "link-scan": link.link_scan,
    "systematics": systematics.systematics,
    "systematics-lost": systematics.systematics_lost,
    "systematics-pulls": systematics.systematics_pulls,
    "systematics-tracks": systematics.systematics_tracks,
    "trigger-bits": trigger.trigger_bits,
    "trigger-features": trigger.trigger_features,
    "trigger-logic": trigger.trigger_logic,
    "trigger-sectors": trigger.trigger_sectors,
    "trigger-tracks": trigger.trigger_tracks,
    "trkx-binned": trkx.trkx_binned,
    "trkx-captions": trkx.trkx_captions,
    "trkx-cone": trkx.trkx_cone,
    "trkx-models": trkx.trkx_models,
    "trkx-multiplicity": trkx.trkx_multiplicity,
    "trkx-ramp": trkx.trkx_ramp,
    "trkx-tracks": trkx.trkx_tracks,
    "trkx-trainings": trkx.trkx_trainings,
    "working-point": sensor.working_point,
    "sizes": scaling.sizes,
    "node": scaling.node,
    "dask": scaling.dask,
    "billion-time": scaling.billion_time,
    "billion-size": scaling.billion_size,
    "choose-estimates": choices.choose_estimates,
    "choose-graph": choices.choose_graph,
    "choose-network": choices.choose_network,
    "choose-size": choices.choose_size,
    "choose-finder": choices.choose_finder,
    "choose-quantile": choices.choose_quantile,
}


def current(page: str, text: str) -> str:
    """A page with its tables and its measured numbers.

    Raises:
        ValueError: a sentence of :func:`sentences` is not in it, or more than once.
    """
    text = HEADLINE.sub(lambda found: found[1] + wrap(headline()) + found[2], text)
    text = TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)
    for sentence, numbers in sentences().get(page, {}).items():
        pattern = pattern_of(sentence)
        if len(re.findall(pattern, text)) != 1:
            raise ValueError(
                f"{page}: '{sentence}' must be there once; change it in docs/measured/sentences.py too"
            )
        text = re.sub(
            pattern,
            lambda found, n=(*numbers, ""): "".join(a + b for a, b in zip(found.groups(), n, strict=True)),
            text,
        )
    return text


def pattern_of(sentence: str) -> str:
    """What finds a sentence in a page; its groups are the words between the numbers."""
    words = [re.escape(part).replace(r"\ ", r"\s+") for part in sentence.split("{}")]
    return "(" + f"){NUMBER}(".join(words) + ")"


def main() -> None:
    """All pages with measured numbers."""
    for name in sentences():
        path = ROOT / name
        path.write_text(wrap(current(name, path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write docs/options.md from the dataclasses of options: python docs/make_options.py."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import wrap

from smartpix.export.hls import HlsOptions
from smartpix.schema import ranges_of
from smartpix.simulate.dataset_options import DatasetOptions
from smartpix.simulate.options import SimulateOptions
from smartpix.train.front_options import TrainFrontOptions
from smartpix.train.options import TrainCountOptions, TrainMdnOptions, TrainMixtureOptions
from tracking.cli.compress import TRAINING
from tracking.cli.flags import documentation, marked, shown
from tracking.finders.deepcore.options import TrainDeepCoreOptions
from tracking.finders.garnet.options import TrainGarnetOptions
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.finders.gravnet.options import TrainGravnetOptions
from tracking.finders.trigger.options import TrainTriggerOptions
from tracking.finders.trkx.training_options import TrainTrkxOptions
from tracking.options import RunOptions

INTRODUCTION = """\
# Options

<!-- Made by docs/make_options.py from the dataclasses: edit there. -->

Every option has one default, which the commands' `--help`, this page and the classes in Python share.

- `smartpix run --options FILE.toml` reads a file with one section for each stage.
- `--set section.key=value` sets any option of a command. It wins over the file.
- Common options have a flag. A flag wins over the file, too.
- A flag and `--set` for the same option are an error that names both. Of a flag, or a `--set`, that
  is repeated, the last one counts.
- An unknown key is an error that names the nearest one.

```toml
estimates = "auto"

[cone]
quantile = 0.99
min_pt = 0.3  # softer tracks too
```
"""

COMMANDS = {
    "smartpix train gnn": TrainGnnOptions(),
    "smartpix train gnn --network interaction": TrainTriggerOptions(),
    "smartpix train gravnet": TrainGravnetOptions(),
    "smartpix train garnet": TrainGarnetOptions(),
    "smartpix train deepcore": TrainDeepCoreOptions(),
    "smartpix train trkx": TrainTrkxOptions(),
    "smartpix train front": TrainFrontOptions(),
    "smartpix train mdn": TrainMdnOptions(),
    "smartpix train mixture": TrainMixtureOptions(),
    "smartpix train count": TrainCountOptions(),
    "smartpix compress": TRAINING,
    "smartpix simulate events": SimulateOptions(),
    "smartpix simulate clusters": DatasetOptions(),
    "smartpix export": HlsOptions(),
}
"""Options that ``--set`` reaches besides those of a run."""


def items(options: object, above: str = "") -> list[str]:
    """A list of a dataclass's own options: name, default and meaning."""
    said, ranges = documentation(type(options)), ranges_of(options)
    lines = []
    for option in dataclasses.fields(options):
        value = getattr(options, option.name)
        if not dataclasses.is_dataclass(value):
            default = shown(value) if isinstance(value, tuple) and len(value) > 6 else repr(value)
            allowed = ""
            if option.name in ranges:
                least, most, unit = ranges[option.name]
                allowed = f" ({least:.10g} to {most:.10g} {unit}".rstrip() + ")"
            name = f"`{above}{option.name}`"
            lines.append(f"- {name}, default `{default}`{allowed}: {marked(said[option.name])}.")
    return [*lines, ""]


def section(name: str, options: object, level: str) -> list[str]:
    """A dataclass below its title, and the sections in it."""
    text = [
        part
        for part in (type(options).__doc__ or "").partition("Attributes:")[0].split("\n\n")
        if part.strip()
    ]
    paragraphs = [marked(" ".join(part.split())) for part in text]
    return [f"{level} {name}", "", *(line for part in paragraphs for line in (part, "")), *items(options)]


def inner(options: object) -> list[tuple[str, object]]:
    """Sections of a dataclass, by name."""
    values = ((option.name, getattr(options, option.name)) for option in dataclasses.fields(options))
    return [(name, value) for name, value in values if dataclasses.is_dataclass(value)]


def options() -> str:
    """The whole page."""
    lines = [INTRODUCTION, "## Options of a run", ""]
    lines += section("Top level", RunOptions(), "###")
    for name, value in inner(RunOptions()):
        lines += section(f"[{name}]", value, "###")
        for below, more in inner(value):
            lines += items(more, f"{below}.")
    run = {type(value) for _, value in inner(RunOptions())}
    lines += ["## Options of other commands", ""]
    for command, defaults in COMMANDS.items():
        lines += section(f"`{command}`", defaults, "###")
        for name, value in inner(defaults):
            if type(value) in run:
                lines += [f"`{name}.*`: as [{name}] of a run.", ""]
            else:
                lines += items(value, f"{name}.")
                for below, more in inner(value):
                    lines += items(more, f"{name}.{below}.")
    return wrap("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options(), encoding="utf-8")

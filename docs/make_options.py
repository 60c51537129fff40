"""Write docs/options.md from the option dataclasses: python docs/make_options.py."""

import dataclasses
import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import wrap

from tracking.options import RunOptions

INTRODUCTION = """\
# Options of a run

<!-- Made by docs/make_options.py from the dataclasses: edit there. -->

`smartpix run --options FILE.toml` reads a file with one section per stage. `--set section.key=value` wins over the
file. What neither names keeps the default below. An unknown key is an error that names the nearest one.

```toml
estimates = "auto"

[cone]
quantile = 0.99
min_pt = 0.3  # softer tracks too
```
"""


def section(name: str, defaults: object) -> str:
    """One dataclass: its docstring and its values."""
    lines = [f"## {f'[{name}]' if name else 'Top level'}", "", "| key | default |", "|---|---|"]
    for option in dataclasses.fields(defaults):
        value = getattr(defaults, option.name)
        if not dataclasses.is_dataclass(value):
            lines.append(f"| `{option.name}` | `{value!r}` |")
    return "\n".join([*lines, "", "```text", inspect.cleandoc(type(defaults).__doc__ or ""), "```", ""])


def options() -> str:
    """The whole page."""
    default = RunOptions()
    parts = [INTRODUCTION, section("", default)]
    for option in dataclasses.fields(RunOptions):
        value = getattr(default, option.name)
        if dataclasses.is_dataclass(value):
            parts.append(section(option.name, value))
    return wrap("\n".join(parts))


if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options(), encoding="utf-8")

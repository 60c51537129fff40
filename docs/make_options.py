"""Write docs/options.md from the option dataclasses: python docs/make_options.py."""

import dataclasses
import inspect
from pathlib import Path

from tracking.options import RunOptions

INTRODUCTION = """\
# Options of a run

<!-- Made by docs/make_options.py from the dataclasses: edit there. -->

`smartpix run --options FILE.toml` reads a file with one section per stage; `--set section.key=value` wins over the file; what neither names keeps the
default below. An unknown key is an error that names the nearest one.

```toml
estimates = "auto"

[cone]
quantile = 0.99
min_pt = 0.3  # softer tracks too
```
"""


def section(name: str, kind: type) -> str:
    """One dataclass: its docstring and its defaults."""
    lines = [f"## {f'[{name}]' if name else 'Top level'}", "", "| key | default |", "|---|---|"]
    for option in dataclasses.fields(kind):
        default = option.default
        if default is not dataclasses.MISSING:
            lines.append(f"| `{option.name}` | `{default!r}` |")
    return "\n".join([*lines, "", "```text", inspect.cleandoc(kind.__doc__ or ""), "```", ""])


def options() -> str:
    """The whole page."""
    parts = [INTRODUCTION, section("", RunOptions)]
    default = RunOptions()
    for option in dataclasses.fields(RunOptions):
        value = getattr(default, option.name)
        if dataclasses.is_dataclass(value):
            parts.append(section(option.name, type(value)))
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options())

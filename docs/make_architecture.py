"""Write the map in docs/architecture.md from the imports of the code: python docs/make_architecture.py.

A node is a room (a package inside ``smartpix`` or ``tracking``), ``seeding``, or a module beside the rooms.
Imports inside functions and those for type checkers count. What a room's ``__init__`` lists of its own does not.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import wrap

from smartpix.provenance import PACKAGES

PAGE = Path(__file__).with_name("architecture.md")
ROOT = Path(__file__).parents[1]
START, END = "<!-- map: docs/make_architecture.py -->\n", "<!-- /map -->"
FOUNDATIONS = "foundations"

Graph = dict[str, set[str]]


def module_name(path: Path) -> str:
    """``smartpix.io.events`` of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """Our modules that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module


def node_of(module: str, rooms: set[str]) -> str:
    """The room of a module, or the module itself where it is in none."""
    parts = module.split(".")
    if parts[0] == "seeding":
        return "seeding"
    return next((r for r in rooms if module == r or module.startswith(r + ".")), ".".join(parts[:2]))


def import_graph() -> Graph:
    """Which node imports which."""
    paths = [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]
    modules = {module_name(p) for p in paths}
    rooms = {module_name(p) for p in paths if p.name == "__init__.py" and len(p.relative_to(ROOT).parts) == 3}
    graph: Graph = {}
    for path in paths:
        name = module_name(path)
        if name == "smartpix.__main__" or (name in PACKAGES and name != "seeding"):
            continue  # the package itself: its public names, lazily from everywhere below it
        node = node_of(name, rooms)
        found = imported(ast.parse(path.read_text(encoding="utf-8")), modules)
        graph.setdefault(node, set()).update(
            node_of(m, rooms)
            for m in found
            if m.split(".")[0] in PACKAGES and m not in ("smartpix", "tracking")
        )
    return {name: {t for t in targets if t in graph and t != name} for name, targets in sorted(graph.items())}


def reached(graph: Graph, start: str) -> set[str]:
    """All nodes that one imports, at first or second hand; itself if it is in a circle."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph[node]
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Groups of nodes that import one another."""
    below = {name: reached(graph, name) for name in graph}
    groups = {tuple(sorted({m for m in below[n] if n in below[m]} | {n})) for n in graph if n in below[n]}
    return sorted(map(list, groups))


def layers(graph: Graph) -> list[list[str]]:
    """The nodes from the ground up: each imports nodes of lower layers alone, but for circles."""
    below = {name: reached(graph, name) for name in graph}
    height = dict.fromkeys(graph, 0)
    for _ in graph:  # the longest way down has at most so many steps
        for name in graph:
            strictly = (m for m in below[name] if name not in below[m])
            height[name] = 1 + max((height[m] for m in strictly), default=-1)
    return [sorted(n for n in graph if height[n] == level) for level in range(1 + max(height.values()))]


def is_room(name: str) -> bool:
    """Whether a node is a folder."""
    return (ROOT / name.replace(".", "/")).is_dir()


def foundations(graph: Graph) -> set[str]:
    """The modules of ``smartpix`` beside its rooms that import no room."""
    return {
        name
        for name in graph
        if name.startswith("smartpix.") and not is_room(name) and not any(map(is_room, reached(graph, name)))
    }


def picture_graph(graph: Graph) -> Graph:
    """The nodes of the picture, the foundations as one of them."""
    low = foundations(graph)

    def joined(name: str) -> str:
        return FOUNDATIONS if name in low else name

    merged: Graph = {}
    for name, targets in graph.items():
        merged.setdefault(joined(name), set()).update(joined(t) for t in targets)
    return {name: targets - {name} for name, targets in merged.items()}


def mermaid(graph: Graph) -> str:
    """A picture of the rooms: an arrow goes to what is imported, unless something between imports it too."""
    lines = ["```mermaid", "flowchart TD", "  seeding[seeding]"]
    for package in ("smartpix", "tracking"):
        names = [
            n for n in graph if n.startswith(f"{package}.") or (n == FOUNDATIONS and package == "smartpix")
        ]
        lines.append(f"  subgraph {package}")
        for name in sorted(names):
            label = "schema, geometry, ..." if name == FOUNDATIONS else name.removeprefix(f"{package}.")
            lines.append(f"    {name.replace('.', '_')}[{label}]")
        lines.append("  end")
    for name in sorted(graph):
        for target in sorted(graph[name]):
            # Inside a circle nothing is between: each imports the other.
            between = (o for o in graph[name] - {target} if target in reached(graph, o))
            if all(o in reached(graph, target) or name in reached(graph, o) for o in between):
                lines.append(f"  {name.replace('.', '_')} --> {target.replace('.', '_')}")
    return "\n".join([*lines, "```"])


def summary(name: str) -> str:
    """The first sentence of a node's docstring."""
    path = ROOT / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return first_sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")


def first_sentence(text: str) -> str:
    """Of a docstring, as Markdown."""
    first = " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")
    return first.replace("``", "`").replace(":mod:", "").replace(":func:", "").replace(":class:", "")


def listing(graph: Graph) -> str:
    """Every node, from the ground up, and what it imports above the foundations."""
    low = foundations(graph)
    order = [name for level in layers(graph) for name in level]
    parts = [
        "**Foundations**: modules of `smartpix` that import no room, only one another. All others may import them.",
        "\n".join(f"- `{name.replace('.', '/')}.py`: {summary(name)}." for name in order if name in low),
    ]
    for package in PACKAGES:
        parts.append(f"**`{package}`**, from the ground up:" if package != "seeding" else "**`seeding`**:")
        lines = []
        for name in (n for n in order if n.split(".")[0] == package and n not in low):
            shown = name.replace(".", "/") + ("/" if is_room(name) else ".py")
            targets = ", ".join(f"`{t}`" for t in sorted(graph[name] - low)) or "the foundations alone"
            lines.append(f"- `{shown}`: {summary(name)}. It imports {targets}.")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def drawing() -> str:
    """The whole map."""
    graph = import_graph()
    rings = circles(graph)
    state = (
        "No circle: what a node imports never imports it back."
        if not rings
        else "Circles that are still there:\n\n"
        + "\n".join("- " + ", ".join(f"`{n}`" for n in ring) + "." for ring in rings)
    )
    return wrap(f"{mermaid(picture_graph(graph))}\n\n{state}\n\n{listing(graph)}")


def architecture(text: str | None = None) -> str:
    """The page with its map."""
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    head, rest = text.split(START)
    return head + START + "\n" + drawing() + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(architecture(), encoding="utf-8")

"""Write docs/api/*.md, the public names of every room, from what the rooms' ``__init__`` list: python
docs/make_api.py.
"""

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from make_architecture import ROOT, first_sentence, import_graph, layers, module_name, summary
from page_text import wrap

from smartpix.provenance import PACKAGES

API = Path(__file__).with_name("api")
TITLES = {
    "smartpix": "smartpix: one cluster to position and direction",
    "seeding": "seeding: clusters to edges and seeds",
    "tracking": "tracking: edges to tracks",
}


def listed(path: Path) -> list[str]:
    """Names in a module's ``__all__``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def homes(path: Path) -> dict[str, str]:
    """Of a room's public names, the module that each is from."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sentence(name: str) -> str:
    """The first sentence of what a room, a module's class or function, or a value says of itself."""
    if (ROOT / name.replace(".", "/")).is_dir():
        return summary(name)
    module, _, inner = name.rpartition(".")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    found = (n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == inner)
    node = next(found, tree)
    return first_sentence(ast.get_docstring(node) or "")


def door(path: Path) -> str:
    """The package ``smartpix`` itself: its public names, which are described where they are from."""
    home_of = homes(path)
    names = sorted(listed(path), key=lambda n: (n[0].islower(), n))
    rows = "\n".join(
        f"- `smartpix.{name}` (`{home_of[name]}`): {sentence(home_of[name]).rstrip(':')}." for name in names
    )
    return wrap(f"## `smartpix`\n\n{summary('smartpix')}.\n\n{rows}").rstrip()


def room(path: Path) -> str:
    """A room: its sentence and its public names, those of one module together."""
    name, home_of = module_name(path), homes(path)
    names = sorted(
        (home_of.get(n, f"{name}.{n}") for n in listed(path)), key=lambda n: n.rpartition(".")[::2]
    )
    return wrap(f"## `{name}`\n\n{summary(name)}.\n\n") + "\n".join(f"::: {n}" for n in names)


def api(package: str) -> str:
    """The page of one package."""
    parts = [f"# {TITLES[package]}", "<!-- Made by docs/make_api.py from the rooms' __all__. -->"]
    order = [node for level in layers(import_graph()) for node in level]
    inits = [p for p in sorted((ROOT / package).rglob("__init__.py")) if listed(p)]
    inits.sort(
        key=lambda p: next((k for k, n in enumerate(order) if (module_name(p) + ".").startswith(n + ".")), -1)
    )
    is_door = [module_name(path) == "smartpix" for path in inits]
    parts += [door(path) for path, first in zip(inits, is_door, strict=True) if first]
    parts += [room(path) for path, first in zip(inits, is_door, strict=True) if not first]
    # Modules beside the rooms; of a package without a list, all its modules.
    flat = [p for p in sorted((ROOT / package).glob("*.py")) if not p.name.startswith("__") and listed(p)]
    if package != "seeding" or not listed(ROOT / "seeding" / "__init__.py"):
        if inits:
            parts.append("## Modules beside the rooms")
        parts.append("\n".join(f"::: {module_name(p)}" for p in flat if "kernels" not in p.name))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    for package in PACKAGES:
        (API / f"{package}.md").write_text(api(package), encoding="utf-8")

"""Arithmetic with named constants and units, as files of DD4hep have it. Nothing is run: an expression is
read as a tree, and all that is not arithmetic is refused.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from smartpix.schema import InputError, nearest, quoted

__all__ = ["UNITS", "Constants"]

UNITS = {
    "um": 1e-4, "mm": 0.1, "cm": 1.0, "m": 100.0, "km": 1e5, "rad": 1.0, "mrad": 1e-3,
    "degree": math.pi / 180, "deg": math.pi / 180, "tesla": 1.0, "pi": math.pi, "M_PI": math.pi,
}  # fmt: skip
"""Lengths in cm, which a number without a unit is in (DD4hep)."""
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: math.fmod, ast.Pow: math.pow,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., float]] = {
    name: getattr(math, name)
    for name in ("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sqrt", "exp", "log", "floor", "ceil")
} | {"abs": abs, "min": min, "max": max}
LONGEST, DEEPEST = 1000, 100


class Constants:
    """Named constants, each an expression of others, worked out when asked for.

    Args:
        expressions: by name; where: what errors call the file.
    """

    def __init__(self, expressions: Mapping[str, str], where: str) -> None:
        self.expressions, self.where = dict(expressions), where
        self._known: dict[str, float] = dict(UNITS)
        self._open: list[str] = []

    def value(self, text: str) -> float:
        """An expression's value: lengths in cm, angles in rad, fields in T.

        Raises:
            InputError: it is no arithmetic, names what is not known, or has no finite value.
        """
        if len(text) > LONGEST:
            raise self._error(text, f"is longer than {LONGEST} characters")
        try:
            # "^" is a power in DD4hep.
            result = self._of(ast.parse(text.strip().replace("^", "**"), mode="eval").body, text, 0)
        except (SyntaxError, RecursionError, MemoryError):
            raise self._error(text, "is no arithmetic") from None
        except (ArithmeticError, ValueError, TypeError) as error:
            raise self._error(text, f"has no value ({error})") from None
        if not math.isfinite(result):
            raise self._error(text, "has no finite value")
        return result

    def _of(self, node: ast.AST, text: str, depth: int) -> float:
        if depth > DEEPEST:
            raise self._error(text, "is nested too deeply")
        if isinstance(node, ast.Constant):
            return self._number(node.value, text)
        if isinstance(node, ast.Name):
            return self._named(node.id, text)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
            inner = self._of(node.operand, text, depth + 1)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            left, right = self._of(node.left, text, depth + 1), self._of(node.right, text, depth + 1)
            return float(BINARY[type(node.op)](left, right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            function = FUNCTIONS.get(node.func.id)
            if function is not None:
                return float(function(*(self._of(a, text, depth + 1) for a in node.args)))
        raise self._error(text, "is no arithmetic")

    def _number(self, value: object, text: str) -> float:
        # Python takes True for a whole number.
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise self._error(text, "is no arithmetic")

    def _named(self, name: str, text: str) -> float:
        if name not in self._known:
            if name not in self.expressions:
                hint = nearest(name, [*self.expressions, *UNITS], 0.8)
                raise self._error(text, f"names '{name}', which no file defines.{hint}")
            if name in self._open:
                raise self._error(text, f"is defined by itself ({' -> '.join([*self._open, name])})")
            self._open.append(name)
            self._known[name] = self.value(self.expressions[name])
            self._open.pop()
        return self._known[name]

    def _error(self, text: str, what: str) -> InputError:
        return InputError(f"{self.where}: the expression {quoted(text)} {what}")

"""Selection rules: short readable expressions over the columns of a table.

A rule such as ``i < 25 & MASK == 0`` is the text of the paper made executable. It may hold
column names, numbers, comparisons, ``&``, ``|`` and parentheses, and nothing else.
"""

from __future__ import annotations

import ast
import io
import operator
import tokenize
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import reduce

import numpy as np
import pandas as pd

from hscz.errors import InputError

_COMPARE: dict[type[ast.cmpop], Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def select(table: pd.DataFrame, expression: str, allow_empty: bool = False) -> pd.Series:
    """Return which rows of a table a rule keeps.

    A comparison with a missing value (NaN) is false, ``!=`` included, so that a row with an
    unknown magnitude never slips through. For the same reason there is no "not".

    Parameters
    ----------
    table : pandas.DataFrame
    expression : str
        Such as ``"i < 25 & CLASS_STAR_HSC_I < 0.9 & (MASK == 0 | CLEAN == 1)"``. Names are
        matched regardless of case where that is unambiguous. Empty keeps every row.
    allow_empty : bool
        Whether it is fine that no row is kept.

    Returns
    -------
    pandas.Series of bool
        Aligned with the rows of `table`.

    Raises
    ------
    InputError
        If the rule holds anything else, names a column that is not there, or keeps no row.

    Examples
    --------
    >>> table = pd.DataFrame({"i": [22.0, 26.0, np.nan], "MASK": [0, 0, 0]})
    >>> select(table, "i < 25 & mask == 0").tolist()
    [True, False, False]
    """
    kept = np.ones(len(table), dtype=bool)
    steps = []
    for term in _terms(expression):
        kept &= _evaluate(term, table, expression)
        steps.append(f"'{ast.unparse(term)}' leaves {kept.sum()}")
    if not (kept.any() or allow_empty):
        raise InputError(
            f"the selection keeps none of {len(table)} rows: {', then '.join(steps)}; "
            "widen the rule, or check that the table is the right one"
        )
    return pd.Series(kept, index=table.index)


def names_in(expression: str) -> list[str]:
    """Return the column names a rule uses, each once, in order.

    Examples
    --------
    >>> names_in("i < 25 & (MASK == 0 | i < 18)")
    ['i', 'MASK']
    """
    nodes = (node for term in _terms(expression) for node in ast.walk(term))
    return list(dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name)))


def find_name(wanted: str, available: list[str]) -> str | None:
    """Return the available name that equals `wanted`, if need be regardless of case.

    Examples
    --------
    >>> find_name("ra", ["RA", "DEC"]), find_name("u", ["u", "U"]), find_name("x", ["X1"])
    ('RA', 'u', None)
    """
    if wanted in available:
        return wanted
    found = [name for name in available if name.lower() == wanted.lower()]
    return found[0] if len(found) == 1 else None


def suggest(wanted: str, available: list[str]) -> str:
    """Return a hint at the names nearest to a wrong one, for an error message.

    Examples
    --------
    >>> suggest("MASKK", ["RA", "MASK"]), suggest("q", ["RA", "DEC"])
    ("; did you mean 'MASK'?", '; there are RA, DEC')
    """
    lower = {name.lower(): name for name in available}
    near = [lower[key] for key in get_close_matches(wanted.lower(), lower, cutoff=0.5)]
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; there are {', '.join(available[:12])}{' ...' if len(available) > 12 else ''}"


def _terms(expression: str) -> list[ast.expr]:
    """Split a rule at its outermost ``&``."""
    if not expression.strip():
        return []
    try:
        tree = ast.parse("".join(_python(expression)), mode="eval").body
    except (SyntaxError, tokenize.TokenError) as error:
        raise InputError(
            f"the rule '{expression.strip()}' cannot be read: {error.args[0]}; write comparisons, "
            "such as 'mag_i < 24 & flags == 0'"
        ) from None
    _check(tree, expression)
    is_and = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
    return list(tree.values) if is_and and isinstance(tree, ast.BoolOp) else [tree]


def _python(expression: str) -> Iterator[str]:
    """Yield the tokens with ``&`` and ``|`` binding weaker than comparisons."""
    for token in tokenize.generate_tokens(io.StringIO(" ".join(expression.split())).readline):
        yield {"&": " and ", "|": " or "}.get(token.string, f"{token.string} ")


def _check(node: ast.expr, rule: str) -> None:
    """Refuse what is neither a comparison nor a combination of comparisons."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check(value, rule)
    elif isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        for side in (node.left, *node.comparators):
            _check_side(side, rule)
    else:
        raise _refusal(node, rule)


def _check_side(node: ast.expr, rule: str) -> None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _check_side(node.operand, rule)
    number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    if not (number or isinstance(node, ast.Name)):
        raise _refusal(node, rule)


def _refusal(node: ast.expr, rule: str) -> InputError:
    return InputError(
        f"the rule '{rule}' holds '{ast.unparse(node)}'; "
        "use only column names, numbers, comparisons, & and |"
    )


def _evaluate(node: ast.expr, table: pd.DataFrame, rule: str) -> np.ndarray:
    if isinstance(node, ast.BoolOp):
        parts = [_evaluate(value, table, rule) for value in node.values]
        return reduce(np.logical_and if isinstance(node.op, ast.And) else np.logical_or, parts)
    assert isinstance(node, ast.Compare)
    values = [_value(side, table, rule) for side in (node.left, *node.comparators)]
    known = reduce(np.logical_and, (~pd.isna(value) for value in values))
    triples = zip(node.ops, values[:-1], values[1:], strict=True)
    tests = (_COMPARE[type(op)](left, right) for op, left, right in triples)
    return np.broadcast_to(reduce(np.logical_and, tests, known), len(table))


def _value(node: ast.expr, table: pd.DataFrame, rule: str) -> np.ndarray:
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand, table, rule)
    if isinstance(node, ast.Constant):
        return np.asarray(node.value)
    assert isinstance(node, ast.Name)
    return _column(node.id, table, rule)


def _column(wanted: str, table: pd.DataFrame, rule: str) -> np.ndarray:
    columns = [str(column) for column in table.columns]
    found = find_name(wanted, columns)
    if found is None:
        raise InputError(
            f"no column {wanted!r}, which the rule '{rule}' needs{suggest(wanted, columns)}"
        )
    values = table[found].to_numpy()
    if values.dtype.kind not in "biuf":
        raise InputError(f"column {found!r} holds text; the rule '{rule}' needs numbers")
    return values

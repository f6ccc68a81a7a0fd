"""Small changes of Python source, each of which a test should notice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NEGATED: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_BOUNDARY: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}

# A key, a name or a policy. Messages are not mutated.
_WORD = re.compile(r"[\w./-]+")

# Calls without an effect on what the program does. A fault point does nothing, unless a test of crashes arms it.
_LOGS = re.compile(r"(self\.|operator\.)?_?log(ger)?\.\w+|fault_point")

# Keyword arguments that no program without a fault can miss, by the function's name. The ``strict`` of a zip and the
# ``init`` of a dataclass's field are assertions; the prefix of a temporary file's random name is for people.
_IDLE = {
    ("zip", "strict"),
    ("field", "init"),
    *((name, "prefix") for name in ("TemporaryDirectory", "NamedTemporaryFile", "mkdtemp", "mkstemp")),
}

_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Delete)


@dataclass(frozen=True, kw_only=True, order=True)
class Mutation:
    """A piece of source that is replaced by another one.

    :param start: offset of its first character in the source
    :param end: offset after its last character
    """

    start: int
    end: int
    line: int
    old: str
    new: str

    def apply(self, source: str) -> str:
        """The source with the change."""
        return source[: self.start] + self.new + source[self.end :]

    def __str__(self) -> str:
        return f"{_short(self.old)}  ->  {_short(self.new)}"


def mutations_of(source: str) -> list[Mutation]:
    """All mutations of a module that still compile, in the order of the source.

    Annotations, decorators, docstrings, messages, the types of ``Literal`` and ``cast``, log calls, fault points and
    code for type checkers are left as they are. So is what would be no other program: ``return False`` does not become
    ``return None``, since nobody asks which of the two it is. A call of the base's ``__init__`` is not swapped with
    what follows, nor a check with an attribute of an object that nobody has yet. Assertions stay, too, and the prefixes
    of temporary names.
    """
    found = sorted(set(_Finder(source).find(ast.parse(source))))
    return [mutation for mutation in found if mutation.new != mutation.old and _compiles(mutation.apply(source))]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _short(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 90 else f"{line[:87]}..."


class _Finder:
    def __init__(self, source: str) -> None:
        self._source = source
        # The name of the innermost function.
        self._function = ""
        # A node's columns count bytes.
        self._lines = [line.encode() for line in source.splitlines(keepends=True)]
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line.decode()))

    def find(self, node: ast.AST) -> Iterator[Mutation]:
        outer = self._function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function = node.name
        yield from self._below(node)
        self._function = outer

    def _below(self, node: ast.AST) -> Iterator[Mutation]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            children = [
                child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)
            ]
            if children and isinstance(children[0], ast.stmt):
                yield from self._of_block(children)
            for child in children:
                if not (self._is_left_alone(child) or _is_idle(child, node) or _is_type(child, node)):
                    yield from self._of(child)
                    yield from self.find(child)

    def _is_left_alone(self, node: ast.AST) -> bool:
        if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
            return True
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return True
        if isinstance(node, ast.Subscript) and self._text(node.value) == "Literal":
            return True
        return isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or self._is_log(node.value))

    def _is_log(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and _LOGS.fullmatch(self._text(node.func)) is not None

    def _is_unseen(self, one: ast.stmt, other: ast.stmt) -> bool:
        """Whether the order of two statements of an ``__init__`` shows nowhere.

        One only stores a name in an attribute of the object, and the other is a call that does not know the object. If
        the call raises, nobody gets the object.
        """
        stores = [each for each in (one, other) if isinstance(each, ast.Assign) and isinstance(each.value, ast.Name)]
        calls = [each for each in (one, other) if isinstance(each, ast.Expr)]
        targets = [self._text(target) for each in stores for target in each.targets]
        return (
            self._function == "__init__"
            and len(stores) == len(calls) == 1
            and all(re.fullmatch(r"self\.\w+", target) for target in targets)
            and not any(isinstance(each, ast.Name) and each.id in ("self", "super") for each in ast.walk(calls[0]))
        )

    def _is_base_init(self, node: ast.stmt) -> bool:
        return isinstance(node, ast.Expr) and self._text(node).startswith("super().__init__(")

    def _of(self, node: ast.AST) -> Iterator[Mutation]:
        if isinstance(node, ast.Compare):
            yield from self._of_comparison(node)
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from self._between(left, right, old, new)
        elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            yield from self._between(node.left, node.right, None, _ARITHMETIC[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield self._replace(node, self._text(node.operand))
        elif isinstance(node, ast.Constant):
            yield from self._of_constant(node)
        elif isinstance(node, ast.Call):
            yield from self._of_call(node)
        elif isinstance(node, ast.Return) and node.value is not None and not _is_bool(node.value):
            yield self._replace(node, "return None")
        if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
            yield self._replace(node.test, f"(not ({self._text(node.test)}))")

    def _of_comparison(self, node: ast.Compare) -> Iterator[Mutation]:
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            for table in (_NEGATED, _BOUNDARY):
                if type(operator) in table:
                    yield from self._between(left, right, None, table[type(operator)])

    def _of_constant(self, node: ast.Constant) -> Iterator[Mutation]:
        value = node.value
        if isinstance(value, bool):
            yield self._replace(node, str(not value))
        elif isinstance(value, int | float):
            yield self._replace(node, repr(value + 1))
            if value not in (0, 1):
                yield self._replace(node, repr(value * 0))
        elif isinstance(value, str) and _WORD.fullmatch(value):
            yield self._replace(node, repr(f"x{value}"))

    def _of_call(self, node: ast.Call) -> Iterator[Mutation]:
        """The call without one of its keyword arguments."""
        arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        arguments.sort(key=lambda argument: (argument.lineno, argument.col_offset))
        for index, argument in enumerate(arguments):
            if isinstance(argument, ast.keyword) and argument.arg is not None and not _is_idle(argument, node):
                end = self._start(arguments[index + 1]) if index + 1 < len(arguments) else self._end(argument)
                yield self._span(self._start(argument), end, argument.lineno, "")

    def _of_block(self, block: Sequence[ast.stmt]) -> Iterator[Mutation]:
        """The block without one of its statements, or with two neighbours swapped."""
        simple = [isinstance(one, _SIMPLE) and not self._is_left_alone(one) for one in block]
        for index, one in enumerate(block):
            if (simple[index] and _has_effect(one)) or isinstance(one, ast.Raise | ast.Continue | ast.Break):
                yield self._replace(one, "pass")
            before = block[index - 1]
            # The order of two plain assignments matters to nobody.
            is_call = ast.Expr in (type(one), type(before))
            is_equal = self._is_base_init(before) or self._is_unseen(before, one)
            if index and simple[index - 1] and simple[index] and is_call and not is_equal:
                start, end = self._start(before), self._end(one)
                between = self._source[self._end(before) : self._start(one)]
                yield self._span(start, end, before.lineno, f"{self._text(one)}{between}{self._text(before)}")

    def _between(self, left: ast.expr, right: ast.expr, old: str | None, new: str) -> Iterator[Mutation]:
        """The operator between two operands, which has no position of its own."""
        start = self._end(left)
        gap = self._source[start : self._start(right)]
        found = re.search(re.escape(old) if old else r"is\s+not|not\s+in|is|in|[<>=!+*/|&-]+", gap)
        if found is not None:
            line = self._source.count("\n", 0, start + found.start()) + 1
            yield self._span(start + found.start(), start + found.end(), line, new)

    def _replace(self, node: ast.stmt | ast.expr, new: str) -> Mutation:
        return self._span(self._start(node), self._end(node), node.lineno, new)

    def _span(self, start: int, end: int, line: int, new: str) -> Mutation:
        return Mutation(start=start, end=end, line=line, old=self._source[start:end], new=new)

    def _text(self, node: ast.expr | ast.stmt) -> str:
        return self._source[self._start(node) : self._end(node)]

    def _start(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1][:column].decode())


def _is_idle(argument: ast.AST, call: ast.AST) -> bool:
    """Whether an argument is one of those that no program without a fault can miss."""
    if not (isinstance(call, ast.Call) and isinstance(argument, ast.keyword)):
        return False
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return (name, argument.arg) in _IDLE


def _is_type(argument: ast.AST, call: ast.AST) -> bool:
    """Whether an argument is the type of a ``cast``, which returns its other argument as it is."""
    is_cast = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "cast"
    return is_cast and argument in call.args[:1]


def _is_bool(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, bool)


def _has_effect(statement: ast.stmt) -> bool:
    """Whether a program without the statement runs, but does something else. Without a name it would not run."""
    if isinstance(statement, ast.Assign):
        return not any(isinstance(target, ast.Name | ast.Tuple) for target in statement.targets)
    return True

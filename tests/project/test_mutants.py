"""`make mutants`: which changes it makes, which tests it runs for them, and how it counts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from textwrap import dedent

import mutants
import pytest
from mutations import mutations_of
from warm_pytest import WarmPytest

TOTAL = "tests/unit/sums/test_total.py"


def changes(source: str) -> set[str]:
    return {str(mutation) for mutation in mutations_of(dedent(source))}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"<  ->  >=", "<  ->  <="}),
        ("x = a is not b", {"is not  ->  is"}),
        ("x = a and not b", {"and  ->  or", "not b  ->  b"}),
        ("x = a + b", {"+  ->  -"}),
        ("x = True", {"True  ->  False"}),
        ("x = 60.0", {"60.0  ->  61.0", "60.0  ->  0.0"}),
        ("x = 'over'", {"'over'  ->  'xover'"}),
        ("x = f(a, b=c)", {"b=c  ->  "}),
        ("x = f(b=c, *a)", {"b=c,  ->  "}),
        (
            "x = f(strict=True, prefix='a')",
            {"strict=True,  ->  ", "prefix='a'  ->  ", "True  ->  False", "'a'  ->  'xa'"},
        ),
        ("x = a.field(default_factory=b)", {"default_factory=b  ->  "}),
        ("x = mkstemp(suffix='.a')", {"suffix='.a'  ->  ", "'.a'  ->  'x.a'"}),
        ("x = cast('A', 'b')", {"'b'  ->  'xb'"}),
        ("if a: f()", {"a  ->  (not (a))", "f()  ->  pass"}),
        ("if a == b: x = c", {"==  ->  !="}),
        ("def f(a=1): return a", {"1  ->  2", "return a  ->  return None"}),
        ("def f(): return False", {"False  ->  True"}),
        ("raise error", {"raise error  ->  pass"}),
        ("a.b = c\nf()", {"a.b = c  ->  pass", "f()  ->  pass", "a.b = c f()  ->  f() a.b = c"}),
        ("super().__init__()\na.b = c", {"super().__init__()  ->  pass", "a.b = c  ->  pass"}),
        (
            "def __init__(self, a):\n check(a)\n self.a = a",
            {"check(a)  ->  pass", "self.a = a  ->  pass"},
        ),
        (
            "def __init__(self, a):\n check(self)\n self.a = a",
            {"check(self)  ->  pass", "self.a = a  ->  pass", "check(self) self.a = a  ->  self.a = a check(self)"},
        ),
        (
            "def other(self, a):\n check(a)\n self.a = a",
            {"check(a)  ->  pass", "self.a = a  ->  pass", "check(a) self.a = a  ->  self.a = a check(a)"},
        ),
        ("x = '早', a < b", {"'早'  ->  'x早'", "<  ->  >=", "<  ->  <="}),
    ],
)
def test_each_kind_of_change(source: str, expected: set[str]) -> None:
    assert changes(source) == expected


def test_what_no_test_is_to_notice_is_left_alone() -> None:
    assert not changes(
        '''
        """A docstring."""
        from typing import TYPE_CHECKING, Literal
        Word = Literal["one", "two"]
        if TYPE_CHECKING:
            x = 1
        @dataclass(frozen=True)
        class A:
            """A docstring."""
            size: Literal[1]
            def f(self, a: int = b) -> "A":
                self.log.info("a message", 1)
                fault_point("here")
                x = zip(a, b, strict=True)
                x = field(init=False)
                x = tempfile.TemporaryDirectory(prefix="a")
                x = NamedTemporaryFile(prefix="a")
                x = cast("A", b)
                x = "a message of words", f"{a + 1}"
        '''
    )


def test_a_change_keeps_the_rest_of_the_file() -> None:
    source = "早 = 1\nx = [  # a comment\n    a == b,\n]\n"
    (mutation,) = [mutation for mutation in mutations_of(source) if mutation.old == "=="]
    assert mutation.line == 3
    assert mutation.apply(source) == source.replace("==", "!=")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working tree with one module, whose tests hold its sum, but neither its default nor its limit."""
    root = tmp_path / "tree"
    files = {
        "__init__.py": "",
        "sums/total.py": """
            def total(a, b=1):
                if b < 0:
                    b = 0
                return a + b
            """,
        "sums/unused.py": "def unused():\n    return 5\n",
    }
    tests = f"""
        import time
        from {mutants.PACKAGE}.sums.total import total

        def test_slow():
            time.sleep(0.1)
            assert total(2, 2) == 4

        def test_quick(): assert total(7, -1) == 7
        """
    for name, source in files.items():
        path = root / mutants.PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source).lstrip())
    (root / TOTAL).parent.mkdir(parents=True)
    (root / TOTAL).write_text(dedent(tests).lstrip())
    subprocess.run(["git", "init", "--quiet", root], check=True)
    monkeypatch.setattr(mutants, "ROOT", root)
    return root


def test_the_score(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mutants.main(["--files", "sums/*.py", "--jobs", "2"])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    total, unused = (f"{mutants.PACKAGE}/sums/{name}.py" for name in ("total", "unused"))
    assert lines[0] == "10 of 10 mutants, seed 1"
    assert sorted(lines[1:11]) == [
        f"killed     {total}:2  <  ->  >=  (FAILED {TOTAL}::test_quick)",
        f"killed     {total}:3  0  ->  1  (FAILED {TOTAL}::test_quick)",
        f"killed     {total}:4  +  ->  -  (FAILED {TOTAL}::test_slow)",
        f"killed     {total}:4  return a + b  ->  return None  (FAILED {TOTAL}::test_quick)",
        f"survived   {total}:1  1  ->  2  (2 tests)",
        f"survived   {total}:2  0  ->  1  (2 tests)",
        f"survived   {total}:2  <  ->  <=  (2 tests)",
        f"survived   {unused}:2  5  ->  0  (0 tests)",
        f"survived   {unused}:2  5  ->  6  (0 tests)",
        f"survived   {unused}:2  return 5  ->  return None  (0 tests)",
    ]
    width = len(unused)
    assert lines[12:16] == [
        f"{'file':{width}}  mutants  killed  score",
        f"{total:{width}}        7       4    57%",
        f"{unused:{width}}        3       0     0%",
        f"{'all':{width}}       10       4    40%",
    ]
    assert lines[17:19] == ["6 survived:", f"{total}:1  1  ->  2"]
    assert (tree / total).read_text().startswith("def total(a, b=1):\n"), "the checkout is never changed"


def test_a_run_that_does_not_end(tree: Path) -> None:
    (tree / TOTAL).write_text("import time\n\ndef test(): time.sleep(600)\n\ndef test_other(): pass\n")
    with WarmPytest(tree) as pytest_:
        assert pytest_.run([f"{TOTAL}::test"], output=tree / "log", seconds=0.1) is None
        assert pytest_.run([f"{TOTAL}::test_other"], output=tree / "log", seconds=600) == 0
        assert pytest_.run(["nowhere.py"], output=tree / "log", seconds=600) == 4
    assert "nowhere.py" in (tree / "log").read_text()


def test_tests_that_are_red_without_a_mutant_count_nothing(tree: Path) -> None:
    (tree / TOTAL).write_text("def test(): assert 0\n")
    with pytest.raises(SystemExit, match="The tests fail without any change"):
        mutants.main(["--files", "sums/*.py", "--jobs", "1"])


def test_a_pattern_without_files() -> None:
    with pytest.raises(SystemExit, match=r"No file of airflow_provider_videoretalk matches 'no\*\.py'"):
        mutants.main(["--files", "no*.py"])

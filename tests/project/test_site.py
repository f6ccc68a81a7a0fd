"""The documentation site, without building it: its pages, its reference and what is made from the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import PAGES, ROOT, Page, blocks
from project_files import PYPROJECT

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.links import BatchLink, WatchLink
from airflow_provider_videoretalk.provider_info import get_provider_info
from airflow_provider_videoretalk.publishing import object_metadata
from airflow_provider_videoretalk.publishing.checksums import VerifiedContent
from airflow_provider_videoretalk.publishing.object_metadata import describe_object
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject
from website import example_dags, fetches, generated, llms, navigation, results, site_links

from .test_examples import forms

PACKAGE = "airflow_provider_videoretalk"
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
DIRECTIVES = re.findall(
    r"^::: (\S+)$", "".join((ROOT / entry.file).read_text() for entry in navigation.entries()), re.MULTILINE
)
BY_NAME = {page.name: page for page in PAGES}

# What CONTRIBUTING.md imports to add a model, and the lists of the forms: private.
_PRIVATE = {f"{PACKAGE}.model_catalog", f"{PACKAGE}.inputs", f"{PACKAGE}.operators.catalog_model"}


def object_at(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def public_classes() -> Iterator[str]:
    """The classes in the modules that the provider info names, its links, and all errors."""
    info = get_provider_info()
    for kind in ("operators", "sensors", "hooks", "triggers"):
        for module in (module for entry in info[kind] for module in entry["python-modules"]):
            for name, member in vars(importlib.import_module(module)).items():
                if inspect.isclass(member) and member.__module__ == module and not name.startswith("_"):
                    yield f"{module}.{name}"
    yield from info["extra-links"]
    yield from (entry["class-name"] for entry in info.get("task-decorators", ()))
    for name, member in vars(errors).items():
        if inspect.isclass(member) and member.__module__ == errors.__name__:
            yield f"{errors.__name__}.{name}"


@pytest.mark.parametrize("path", sorted(public_classes()))
def test_every_public_class_is_in_the_reference(path: str) -> None:
    # Return values have a page that is made from them.
    assert path in DIRECTIVES or path.rpartition(".")[2] in results.RESULTS


@pytest.mark.parametrize("path", DIRECTIVES)
def test_everything_in_the_reference_exists_and_is_documented(path: str) -> None:
    assert inspect.getdoc(object_at(path))


@pytest.mark.parametrize("path", [path for path in DIRECTIVES if inspect.isclass(object_at(path))])
def test_every_parameter_is_documented(path: str) -> None:
    own = [kind for kind in inspect.getmro(object_at(path)) if kind.__module__.startswith(f"{PACKAGE}.")]
    documented = {name for kind in own for name in re.findall(r":param (\w+):", inspect.getdoc(kind) or "")}
    parameters = {
        name
        for kind in own
        if "__init__" in vars(kind)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    }
    assert parameters - documented == set()


def test_every_name_in_an_example_is_in_the_reference() -> None:
    named = set()
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
                named |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert len(named) > 20
    private = {path for path in named if path.startswith(tuple(_PRIVATE))}
    assert named - private - set(DIRECTIVES) == set()


def test_every_page_is_in_the_navigation() -> None:
    in_navigation = [entry.file.relative_to(ROOT).as_posix() for entry in navigation.entries()]
    pages = {page.name for page in PAGES if page.name.startswith("docs/")} | set(navigation.ROOT_PAGES.values())
    assert sorted(in_navigation) == sorted(pages)


def test_every_page_of_the_navigation_has_a_title() -> None:
    for entry in navigation.entries():
        assert entry.title
        assert re.search(r"^# .+$", entry.file.read_text(), re.MULTILINE), entry.path


@pytest.mark.parametrize("path", generated.PAGES)
def test_what_is_made_from_the_code_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text() == generated.contents()[path], "python -m website writes it anew"


def test_the_list_for_programs_is_up_to_date() -> None:
    assert (ROOT / llms.PATH).read_text() == llms.content(), "python -m website writes it anew"


def test_the_list_for_programs_has_a_sentence_for_each_page() -> None:
    lines = re.findall(r"^- \[(.+)\]\((\S+)\): (.+)$", llms.content(), re.MULTILINE)
    assert len(lines) == len(navigation.entries())
    for _, url, sentence in lines:
        path = url.partition("/main/")[2]
        assert (ROOT / path).is_file()
        assert "](" not in sentence


@pytest.mark.parametrize("name", results.RESULTS)
def test_every_field_of_a_return_value_has_a_meaning(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{results.RESULTS[name].removesuffix('.py').replace('/', '.')}")
    fields = list(results.find(name).fields())
    assert {field for field, _, _ in fields} == set(getattr(module, name).__annotations__)
    if name != "_Track":
        assert [field for field, _, meaning in fields if not meaning] == []


def test_every_field_of_a_published_object_is_in_the_table() -> None:
    content = VerifiedContent(size=1, sha256="", verified=(), unverified={})
    found = DownloadedObject(content=content, content_type="video/mp4", media={})
    described = describe_object(found, uri="", source={})
    listed = {name for cell, _, _ in results.METADATA for name in re.findall(r"`(\w+)`", cell)}
    assert set(described) <= listed
    assert {*object_metadata._OF_EDITS, "metadata_uri", "uris", "metadata_uris"} <= listed


def _pushed_keys() -> set[str]:
    """The XCom keys in the code: constants, names of constants, and those of the links."""
    sources = [path.read_text() for path in (ROOT / PACKAGE).rglob("*.py")]
    trees = [ast.parse(source) for source in sources if "xcom_push" in source or "_KEY = " in source]
    constants = {
        target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = {"return_value", WatchLink().xcom_key, BatchLink().xcom_key}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "xcom_push":
            (key,) = [word.value for word in node.keywords if word.arg == "key"]
            if isinstance(key, ast.Constant):
                found.add(key.value)
            elif isinstance(key, ast.Name):
                found.add(constants[key.id])
            else:
                assert ast.unparse(key) == "link.xcom_key"
    return found


def test_the_table_of_xcom_keys_is_complete() -> None:
    table = BY_NAME["docs/reference/xcom.md"].text.partition("## Sizes")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == _pushed_keys()


def test_the_forms_are_those_of_airflow() -> None:
    # Read anew: other tests set the values of these fields.
    of_airflow = forms()
    read = {dag.path.stem: dag for dag in example_dags.example_dags() if dag.fields}
    assert set(read) == set(of_airflow)
    for name, dag in read.items():
        for field in dag.fields:
            param = of_airflow[name].params.get_param(field.name)
            assert field.schema["title"] == param.schema["title"]
            assert field.description
            assert param.schema.get("description", field.description) == field.description
            default = of_airflow[name].params[field.name]
            assert field.default == default or (isinstance(default, str) and default.endswith(field.default))
        assert [field.name for field in dag.fields] == list(of_airflow[name].params)


def test_each_example_is_in_the_gallery() -> None:
    page = BY_NAME["docs/gallery.md"]
    for path in (ROOT / "dags").glob("*.py"):
        assert path.stem in page.anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lists_and_tables_begin_after_an_empty_line(page: Page) -> None:
    """The site's Markdown knows them only then."""
    lines, before = page.prose.splitlines(), ""
    item = re.compile(r"\s*([-*]|\d+\.) ")
    inside = False
    for line in lines:
        if item.match(line) or line.startswith("|"):
            assert inside or not before.strip() or before.startswith(("|", "#")), line
            inside = True
        elif not line.strip():
            inside = False
        before = line


@pytest.mark.parametrize(
    ("folder", "link", "made"),
    [
        ("docs", "billing.md#x", "billing.md#x"),
        ("docs/reference", "../billing.md#x", "../billing.md#x"),
        ("docs", "../CHANGELOG.md", "changelog.md"),
        ("docs/reference", "../../SECURITY.md#a", "../security-policy.md#a"),
        ("docs", "../README.md#use-it", f"{site_links.REPOSITORY}/blob/main/README.md#use-it"),
        ("docs", "../dags", f"{site_links.REPOSITORY}/tree/main/dags"),
        ("", "docs/security.md", "security.md"),
        ("", "docs/reference/xcom.md#sizes", "reference/xcom.md#sizes"),
        ("", "CHANGELOG.md", "changelog.md"),
        ("docs", "https://example.com/x.md", "https://example.com/x.md"),
        ("docs", "#here", "#here"),
        ("docs", "images/ui/batch.png", "images/ui/batch.png"),
    ],
)
def test_links(folder: str, link: str, made: str) -> None:
    assert site_links.site_link(link, folder=folder) == made


def test_markdown_for_the_site() -> None:
    text = "1. One:\n\n   ![a](../dags/x.py)\n\n[b]: ../CHANGELOG.md\n\n```text\n   [c](../dags)\n```\n"
    made = site_links.site_markdown(text, path="docs/x.md")
    source = f"{site_links.REPOSITORY}/blob/main/dags/x.py"
    assert made == f"1. One:\n\n    ![a]({source})\n\n[b]: changelog.md\n\n```text\n   [c](../dags)\n```\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_anchors_are_those_of_the_repository(page: Page) -> None:
    headings = re.findall(r"^#+ (.+)$", page.prose, re.MULTILINE)
    # mkdocs makes an anchor of a heading's text, without its Markdown.
    made = {site_links.slug(re.sub(r"[`*]", "", heading), "-") for heading in headings}
    assert made == page.anchors
    # The site and the repository number headings that are the same in different ways. Nothing links into the changes.
    assert len(made) == len(headings) or page.name == "CHANGELOG.md", "two headings are the same"


def test_nothing_is_fetched_from_other_hosts() -> None:
    theme = CONFIG["theme"]
    assert theme["font"] is False
    # With the address of a repository, the theme asks that host for the number of stars.
    assert not {"repo_url", "extra_javascript", "google_analytics"} & set(CONFIG)
    assert CONFIG["plugins"][0] == "search"
    for path in CONFIG["extra_css"]:
        assert "url(" not in (ROOT / "docs" / path).read_text()


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "https://cdn.example/x.js"),
        ('<link rel=stylesheet href="//fonts.example/x.css">', "//fonts.example/x.css"),
        ("<img alt='' src='http://x.example/p.png'>", "http://x.example/p.png"),
        (
            '<a href="https://x.example/">x</a><img src="../a.png"><link rel="canonical" href="https://x.example/">',
            None,
        ),
    ],
)
def test_what_a_page_fetches(html: str, found: str | None) -> None:
    assert fetches.fetched_from_elsewhere(html) == found


def test_the_build_is_strict() -> None:
    assert CONFIG["strict"] is True
    assert set(CONFIG["validation"]["links"].values()) == {"warn"}
    assert CONFIG["validation"]["nav"]["omitted_files"] == "warn"
    assert "docs" in PYPROJECT["dependency-groups"]
    lock = (ROOT / "requirements" / "docs.lock").read_text()
    lines = [line for line in lock.splitlines() if line and not line.startswith((" ", "--"))]
    assert len(lines) > 10
    assert all("==" in line for line in lines)
    assert lock.count("--hash=sha256:") >= len(lines)


def test_every_workflow_of_a_change_builds_it() -> None:
    assert "make docs" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_the_front_page_leads_to_every_page_for_a_person() -> None:
    linked = {Path(link.partition("#")[0]).as_posix() for link in BY_NAME["docs/index.md"].links}
    assert {"producer.md", "engineer.md", "owner.md", "troubleshooting.md", "glossary.md"} <= linked

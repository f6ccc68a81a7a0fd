"""The page of the example DAGs: what each does, the fields of its form, and its pictures."""

from __future__ import annotations

from website.example_dags import ExampleDag, FormField, example_dags
from website.markdown import code, table
from website.site_links import slug

_BEGIN = """# Example DAGs

Each runs on the service and on the emulator. Only the connection differs. A test runs each of them. This command copies
them into your DAG folder:

```shell
python -m airflow_provider_videoretalk dags dags/
```

**The folder** in this page is the one that the Variable `videoretalk_folder` names, such as `s3://aws_default@videos/`:
[set it up](get-started.md#with-your-own-key). Those that publish do so in it: [file names](producer.md#file-names).

"""

PICTURES = {
    "videoretalk_quickstart": (
        ("The demo, from the form to the board", "images/ui/demo.webp"),
        ("The form", "images/ui/trigger.png"),
        ("The finished video beside its source", "images/ui/result.png"),
    ),
    "videoretalk_batch": (
        ("The batch page, while the videos are made", "images/ui/batch.png"),
        ("A person is asked before an expensive batch is made", "images/ui/batch-approve.png"),
    ),
    "videoretalk_review": (("The request for a review", "images/ui/review.png"),),
    "videoretalk_audit": (("The board, with the spend", "images/ui/board.png"),),
}
"""The pictures of each DAG, with what they show. The DAGs with pictures come first, in this order."""

HOW_TO = {
    "videoretalk_quickstart": ("One video, from the form",),
    "videoretalk_batch": ("12 videos in 6 languages", "Long scripts"),
    "videoretalk_dub": ("A video in other languages", "Your own voice", "Correct a sentence of a dub"),
}
"""The sections of the producers' page about each DAG."""


def page() -> str:
    order = list(PICTURES)
    dags = sorted(example_dags(), key=lambda dag: order.index(dag.path.stem) if dag.path.stem in order else len(order))
    rows = [(f"[{dag.path.stem}](#{dag.path.stem})", dag.title) for dag in dags]
    return _BEGIN + table(("DAG", "what it does"), rows) + "".join(map(_section, dags))


def _section(dag: ExampleDag) -> str:
    name = dag.path.stem
    parts = [f"\n## {name}\n", f"**{dag.title}.** [Source](../dags/{dag.path.name}).\n", f"{dag.description}\n"]
    if name in HOW_TO:
        links = "".join(f"- [{heading}](producer.md#{slug(heading, '-')})\n" for heading in HOW_TO[name])
        parts.append(f"Step by step:\n\n{links}")
    parts += [f"![{text}]({path})\n" for text, path in PICTURES.get(name, ())]
    if dag.fields:
        rows = [(_title(field), code(field.name), _default(field), _meaning(field)) for field in dag.fields]
        parts += ["The form:\n", table(("field", "name", "default", "meaning"), rows)]
    return "\n".join(parts)


def _title(field: FormField) -> str:
    return str(field.schema.get("title") or field.name)


def _default(field: FormField) -> str:
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    if isinstance(field.default, (int, float)):
        return str(field.default)
    return "an example" if field.default else "empty"


def _meaning(field: FormField) -> str:
    highest = field.schema.get("maximum")
    return field.description + (f" At most {highest}." if highest is not None else "")

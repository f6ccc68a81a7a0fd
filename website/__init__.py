"""The documentation site: which pages it has, which of them are made from the code, and how mkdocs builds it."""

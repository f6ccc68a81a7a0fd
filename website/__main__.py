"""``python -m website`` writes the pages that are made from the code, and ``docs/llms.txt``."""

from website.generated import write

if __name__ == "__main__":
    write()

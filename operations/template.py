"""Fills in the files of templates/."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(name: str, **values: object) -> str:
    """Fill in a template.

    + name: of the file in templates/
    + values: for its placeholders

    Returns the text. Raises jinja2's `UndefinedError` if a value is missing.
    """
    return _environment.get_template(name).render(**values)

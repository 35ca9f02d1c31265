"""The files of templates/ with their placeholders filled in."""

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
    """A template with these values. Raises jinja2's `UndefinedError` for one that is missing."""
    return _environment.get_template(name).render(**values)

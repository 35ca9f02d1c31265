"""The lab's own tests share its fixture."""

from lab.fixtures import lab

__all__ = ["lab"]

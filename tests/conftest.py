"""What all tests share."""

import pytest

from tests.lab.fixtures import lab

__all__ = ["lab"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks that tests bear."""
    config.addinivalue_line("markers", "lab: boots real hosts (root, Linux, some minutes)")

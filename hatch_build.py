"""Puts the deploy files into the wheel, as a folder of data: smtp_auth/deploy_files/."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What a fleet needs of the checkout: not the lab and its hosts, not the tests of this program itself.
DEPLOY_FILES = (
    "config.py",
    "deploy.py",
    "group_data/all.py",
    "operations",
    "remove.py",
    "templates",
    "tests/__init__.py",
    "tests/verify",
    "undo.py",
)


class DeployFiles(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling loads this hook, since pyproject.toml names it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to what is built.

        + version: "standard", or "editable": there, the command finds the files in the checkout
        """
        if version == "standard":
            build_data["force_include"] |= {name: f"smtp_auth/deploy_files/{name}" for name in DEPLOY_FILES}

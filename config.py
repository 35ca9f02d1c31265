"""pyinfra's own configuration for this deploy."""

REQUIRE_PYINFRA_VERSION = "==3.10.0"

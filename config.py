"""pyinfra's own configuration for this deploy."""

from operations.data_check import check_before_connecting

REQUIRE_PYINFRA_VERSION = "==3.10.0"

check_before_connecting()

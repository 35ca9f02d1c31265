"""pyinfra's own configuration for this deploy."""

from deploys.data_check import check_before_connecting
from deploys.startup import keep_what_is_loaded, register_deploy_file

REQUIRE_PYINFRA_VERSION = "==3.10.0"

check_before_connecting()
register_deploy_file()
keep_what_is_loaded()

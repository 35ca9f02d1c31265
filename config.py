"""pyinfra's own configuration for this deploy."""

from smtp_auth.runs.run import prepare_runs
from smtp_auth.runs.startup import keep_what_is_loaded

REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"

prepare_runs()
keep_what_is_loaded()

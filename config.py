"""pyinfra's own configuration for this deploy."""

from pyinfra import config

from smtp_auth.runs.startup import end_when_interrupted, keep_what_is_loaded

# Before the import that takes longest.
end_when_interrupted()

# A variable of this name alone has no effect.
config.REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"

from smtp_auth.runs.run import prepare_runs  # noqa: E402

prepare_runs()
keep_what_is_loaded()

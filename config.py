"""pyinfra's own configuration for this deploy."""

from smtp_auth.runs.startup import end_when_interrupted, keep_what_is_loaded

# Before the import that takes longest.
end_when_interrupted()

from smtp_auth.runs.run import prepare_runs  # noqa: E402

REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"

prepare_runs()
keep_what_is_loaded()

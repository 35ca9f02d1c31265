"""Programs that tests start beside themselves: how long they are waited for, and that they do not stay."""

from functools import partial

from lab.command import wait_until

# In seconds.
PATIENCE = 300

wait_for = partial(wait_until, timeout=PATIENCE)

# Words before a command that must not outlive the tests, even if these are killed.
WITH_THE_TESTS = ("setpriv", "--pdeathsig=KILL")

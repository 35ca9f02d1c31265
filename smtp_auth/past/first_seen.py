"""The files of a host as they were before us, out of its record."""

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import digest_of
from smtp_auth.facts.record import Baseline


def first_seen(baseline: Baseline, ledger: Ledger) -> dict[str, str]:
    """The key of each file to its content before us; none for a file that did not exist.

    A copy that is missing, or that is not what the ledger says, is left out.

    + baseline: that of the record
    """
    found = {key: baseline.get((one.kept_by, one.path)) for key, one in ledger.files.items()}
    return {
        key: content
        for key, content in found.items()
        if content is not None and digest_of(content) == ledger.files[key].before.sha256
    }

"""The files of a host as they were before us, from its record."""

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import digest_of
from smtp_auth.facts.record import Baseline


def first_seen(baseline: Baseline, ledger: Ledger) -> dict[str, str]:
    """The key of each file to its content before us.

    Left out are files that did not exist, and copies that are missing or have another digest than in the
    ledger.

    + baseline: the copies in the record
    + ledger: from `ledger_now`
    """
    found = {key: baseline.get((one.kept_by, one.path)) for key, one in ledger.files.items()}
    return {
        key: content
        for key, content in found.items()
        if content is not None and digest_of(content) == ledger.files[key].before.sha256
    }

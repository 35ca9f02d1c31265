"""What somebody says of a hold on the command line."""

from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown, shown_words

# As SmtpAuth::Hold reads it.
_MOST_CHARACTERS = 500


def reason_in(text: str) -> str:
    """The reason for a hold, in any language. Raises `Mistake` unless it is one line that can be shown."""
    reason = text.strip()
    if not reason:
        raise Mistake("--reason is empty: say why the hosts are not to be changed")
    if shown_words(reason) != reason:
        raise Mistake(f"--reason {shown(reason)}: give one line without control characters")
    if len(reason) > _MOST_CHARACTERS:
        raise Mistake(f"--reason has {len(reason)} characters: give at most {_MOST_CHARACTERS}")
    return reason

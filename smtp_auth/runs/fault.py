"""The sentence for an exception that this program did not expect."""

import traceback
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def fault(error: Exception) -> str:
    """The sentence for an unexpected exception: what it is, and where in this program it was raised."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    where = f" ({Path(ours[-1].filename).relative_to(_ROOT)}, line {ours[-1].lineno})" if ours else ""
    return (
        f"an error in this program, which fails only this host: {type(error).__name__}: {error}{where}; "
        "please report it with this line"
    )


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_ROOT) and ".venv" not in path.parts

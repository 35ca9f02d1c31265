"""How text of hosts, peers and files is shown: nothing in it is obeyed by a terminal."""


def shown(text: str) -> str:
    """The text on one line of printable ASCII and tabs; anything else as its escape (`\\x1b`, `\\n`).

    + text: a file's bytes as latin-1 gives them, or text of any origin
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\t" or (character.isascii() and character.isprintable()):
        return character
    return character.encode("unicode_escape").decode("ascii")

"""The commands in the text of scripts, as lists of words: for each, what is started in the end."""

import re
import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

_SEPARATORS = ";&|()`"
_KEYWORDS = ("if", "then", "else", "elif", "while", "until", "do", "!", "{")

# Programs that start another one: their options with a value, and how many words of their own come before it.
_STARTERS = {
    "ash": ("", 0),
    "bash": ("", 0),
    "chronic": ("", 0),
    "cronic": ("", 0),
    "dash": ("", 0),
    "doas": ("Cu", 0),
    "env": ("CSu", 0),
    "eval": ("", 0),
    "exec": ("a", 0),
    "flock": ("Ew", 1),
    "ionice": ("cn", 0),
    "nice": ("n", 0),
    "nohup": ("", 0),
    "python": ("", 0),
    "python3": ("", 0),
    "run-one": ("", 0),
    "setsid": ("", 0),
    "sh": ("", 0),
    "stdbuf": ("eio", 0),
    "su": ("gsw", 1),
    "sudo": ("CDRTUghprtu", 0),
    "system": ("", 0),
    "systemd-cat": ("pt", 0),
    "time": ("fo", 0),
    "timeout": ("ks", 1),
}
# Those that also take a command as the value of -c.
_SHELLS = ("ash", "bash", "dash", "flock", "sh", "su")

# How other languages start a command.
_CALL = re.compile(
    r"\b(?:system|[pP]open|run|call|check_call|check_output|getoutput|execv?p?|spawn\w*)\s*\((?=\s*[\[\"'])"
)
# A program that is looked for by its name, and the value of a variable that may not be set.
_LOOKED_FOR = re.compile(r"(?:\$\(|`)(?:which|command\s+-v)\s+([\w./-]+)[)`]|\$\{\w+:?[-=]([^{}\s]*)\}")
_ASSIGNED = re.compile(r"(\w+)=(.*)", re.S)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def commands_in(text: str) -> Iterator[Sequence[str]]:
    """Each command, without what starts it, such as `sudo`, `flock` or `sh -c`.

    + text: without comments, and without the times of a crontab
    """
    yield from _commands(text, {})


def _commands(text: str, variables: dict[str, str]) -> Iterator[Sequence[str]]:
    for line in text.split("\n"):
        # The "&" of a redirection separates nothing.
        line = re.sub(r"&>|[<>]&", ">", _CALL.sub("; eval ", _LOOKED_FOR.sub(r"\1\2", line)))
        for part in _parts(line):
            for command in _substituted(" ".join(part)):
                yield from _commands(command, variables)
            yield from _started(part, variables)


def _parts(line: str) -> Iterator[list[str]]:
    words: list[str] = []
    for word in _words(line):
        if word.strip(_SEPARATORS):
            # Other languages write lists so.
            words.append(word.strip("[],") or word)
        else:
            yield words
            words = []
    yield words


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)
    except ValueError:
        # A quote that ends on another line, or that is none: systemd shows commands without theirs.
        return re.findall(rf"[{_SEPARATORS}]+|[^\s{_SEPARATORS}\"']+", line)


def _substituted(words: str) -> Iterator[str]:
    """The commands whose output is part of quoted words."""
    for found in re.finditer(r"\$\(([^()]*)\)|`([^`]*)`", words):
        yield found[1] or found[2] or ""


def _started(part: Sequence[str], variables: dict[str, str]) -> Iterator[Sequence[str]]:
    words = [text for word in part for text in _expanded(word, variables)]
    command = _without_starters(words)
    if not command:
        variables |= {found[1]: found[2] for word in words if (found := _ASSIGNED.fullmatch(word))}
        return
    # An assignment in another language.
    is_set = command[1:2] == ["="]
    command = command[2:] if is_set else command
    if (is_set or len(command) < len(words)) and any(map(str.isspace, "".join(command[:1]))):
        yield from _commands(" ".join(command), variables)
    elif command:
        yield command


def _expanded(word: str, variables: Mapping[str, str]) -> Sequence[str]:
    found = _VARIABLE.fullmatch(word)
    return variables[found[1]].split() if found and found[1] in variables else [word]


def _without_starters(words: Sequence[str]) -> Sequence[str]:
    rest = deque(words)
    while rest:
        if rest[0] in _KEYWORDS or _ASSIGNED.fullmatch(rest[0]):
            rest.popleft()
        elif rest[0].rpartition("/")[2] in _STARTERS:
            _drop_starter(rest)
        else:
            break
    return list(rest)


def _drop_starter(rest: deque[str]) -> None:
    """Take a program that starts another one off the front, with its options and its own words."""
    name = rest.popleft().rpartition("/")[2]
    letters, own_words = _STARTERS[name]
    for others in (own_words, 0):
        while rest and rest[0].startswith("-"):
            option = rest.popleft()
            if name in _SHELLS and re.fullmatch("-[a-z]*c", option):
                return
            if rest and letters and re.fullmatch(f"-[a-zA-Z]*[{letters}]", option):
                rest.popleft()
        for _ in range(min(others, len(rest))):
            rest.popleft()

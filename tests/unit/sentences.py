"""The sentences with which a host is refused or fails, as the code has them: see test_refusals.py.

In Python these are found in the syntax tree, in Perl by a regular expression. What is filled in is `…`.

    python -m tests.unit.sentences      lists them, with their places
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FILLED_IN = "…"

# Where Python refuses a host: folders and files below the root.
_PYTHON = (
    "operations",
    "smtp_auth/accepted_values.py",
    "smtp_auth/settings.py",
    "smtp_auth/plan",
    "smtp_auth/past",
    "smtp_auth/services",
    "smtp_auth/on_host",
    "smtp_auth/fleet/history_command.py",
    "smtp_auth/fleet/inventory.py",
    "smtp_auth/fleet/undo_command.py",
    "smtp_auth/fleet/written.py",
    "smtp_auth/rollout",
    "smtp_auth/runs/bounds.py",
    "smtp_auth/runs/channel.py",
    "smtp_auth/runs/data_check.py",
    "smtp_auth/runs/inventory_check.py",
    "smtp_auth/runs/question.py",
    "smtp_auth/runs/run.py",
    "smtp_auth/runs/fault.py",
    "smtp_auth/runs/undo.py",
    "smtp_auth/verify/outputs.py",
    "smtp_auth/verify/password.py",
    "smtp_auth/verify/running.py",
    "smtp_auth/verify/since.py",
)

# Texts for previews and programs, and checks of what a developer writes.
_NO_REFUSALS = (
    "smtp_auth/plan/as_json.py",
    "smtp_auth/plan/plan.py",
    "smtp_auth/plan/text.py",
    "smtp_auth/on_host/packing.py",
    "smtp_auth/rollout/queue/process.py",
)

# Functions that are given a sentence of a refusal: exceptions by their names' ends, and these.
_REFUSING = re.compile(
    r"(?:Applied|Error|Problem|Mistake|WrongSlices|Declined|NoAnswer|NotAllowed|NotReached|OnRecord|NoSuchRun|Refusal|Ended|\bfail|\brefuse|(?:refus|reason|obstacle)\w*\.(?:append|extend))$"
)

# Names that hold such sentences.
_REFUSALS = re.compile(r"refus|obstacle|^stopped$")


@dataclass(frozen=True, order=True)
class Sentence:
    """One sentence.

    + text: with `…` for what is filled in
    + place: `FILE:LINE`
    """

    text: str
    place: str


def sentences() -> list[Sentence]:
    """All of them, each once."""
    found: dict[str, Sentence] = {}
    for sentence in (*_python(), *_perl()):
        found.setdefault(sentence.text, sentence)
    return sorted(found.values())


def _normal(text: str) -> str:
    text = re.sub(rf"{FILLED_IN}+", FILLED_IN, text)
    return " ".join(text.split()).strip()


def _is_sentence(text: str) -> bool:
    """Whether it has a word, and something beside it; the head of a file that is written is none."""
    words = text.split()
    return (
        len(words) > 1
        and words[0] != "#"
        and any(re.fullmatch(r"[A-Za-z]{2,}[,:;.]?", word) for word in words)
    )


# -- Python -------------------------------------------------------------------------------------------


def _python() -> Iterator[Sentence]:
    for name in _PYTHON:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            place = str(file.relative_to(ROOT))
            if place not in _NO_REFUSALS:
                yield from of_python(file.read_text(), place)


def of_python(code: str, place: str) -> Iterator[Sentence]:
    """The sentences of a module. + place: its path"""
    module = ast.parse(code)
    constants = _assigned(module.body)
    # What cannot be imported is refused outside all functions.
    scopes: list[ast.FunctionDef | ast.Module] = [module]
    functions = (one for one in ast.walk(module) if isinstance(one, ast.FunctionDef))
    scopes += (one for one in functions if not re.search("warning|note", one.name))
    for scope in scopes:
        known = {**constants, **_assigned(_own(scope))}
        for node in _refusing(scope):
            text = _normal(_text(node, known))
            if _is_sentence(text):
                yield Sentence(text, f"{place}:{node.lineno}")


def _own(scope: ast.FunctionDef | ast.Module) -> Iterator[ast.AST]:
    """The nodes of a function or module without those of functions in it."""
    todo: list[ast.AST] = [*scope.body]
    while todo:
        node = todo.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef):
            todo += ast.iter_child_nodes(node)


def _assigned(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """The names that stand for a text."""
    found: dict[str, ast.expr] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=(ast.Constant() | ast.JoinedStr()) as value):
                found[name] = value
    return found


def _refusing(scope: ast.FunctionDef | ast.Module) -> Iterator[ast.expr]:
    """The expressions that may be a sentence of a refusal.

    What a private function returns is a part of a sentence that its caller has, unless it has a name.
    """
    is_public = isinstance(scope, ast.FunctionDef) and not scope.name.startswith("_")
    for node in _own(scope):
        match node:
            case ast.Yield(value=ast.expr() as value):
                yield from _alternatives(value)
            case ast.Return(value=ast.expr() as value):
                lists = (one for one in ast.walk(value) if isinstance(one, ast.List))
                yield from (part for one in lists for part in _alternatives(one))
                if is_public or isinstance(value, ast.Name):
                    yield from _alternatives(value)
            case ast.Call(func=called, args=arguments) if _REFUSING.search(ast.unparse(called)):
                yield from (part for one in arguments for part in _alternatives(one))
            case ast.keyword(arg=str() as name, value=value) if _REFUSALS.search(name):
                yield from _alternatives(value)
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value) if (
                _REFUSALS.search(name)
            ):
                yield from _alternatives(value)
            case ast.AugAssign(target=ast.Name(id=name), value=value) if _REFUSALS.search(name):
                yield from _alternatives(value)


def _alternatives(value: ast.expr) -> Iterator[ast.expr]:
    match value:
        case ast.IfExp(body=one, orelse=other):
            yield from _alternatives(one)
            yield from _alternatives(other)
        case ast.List(elts=several) | ast.Tuple(elts=several) | ast.BoolOp(values=several):
            for one in several:
                yield from _alternatives(one)
        case ast.Constant(value=str()) | ast.JoinedStr() | ast.Name() | ast.BinOp(op=ast.Add()):
            yield value


def _text(node: ast.expr, known: Mapping[str, ast.expr]) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, known) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name) if name in known:
            # A name may stand in its own new value.
            return _text(known[name], {other: known[other] for other in known if other != name})
        case ast.BinOp(left=left, right=right):
            return _text(left, known) + _text(right, known)
    return FILLED_IN


# -- Perl ---------------------------------------------------------------------------------------------

_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|q\{[^{}]*\})"""
_CALL = r"(?:\$?\w[\w>$-]*(?:\([^()]*\))?)"
_JOINED = rf"(?:{_STRING}|{_CALL})(?:\s*\.\s*(?:{_STRING}|{_CALL}))*"

# What is given a sentence of a refusal, and what may stand in front of it there.
_SAYS = (
    r"(?:\b(?:die|return)\b|\bpush\s+@\w+,|\b(?:_?failed|_undo)\(|\b(?:_end|_outcome)\(\s*'[\w ]+',)\s*"
    r"(?:map\s*\{|\w+\(\)\s*//|[$\w>{}-]+\([^()]*\)\s*\?|\$\w+(?:\s*=~\s*/[^/]*/x)?\s*\?\s*\$\w+\s*:)?\s*"
)
_SAYS_LAST = rf"(?:\b_die_without\(|\b_answers\(|->expect\()[^;]*?,\s*(?={_STRING})"
# Matches of it may overlap.
_PERL = re.compile(rf"(?=(?:{_SAYS}|{_SAYS_LAST})(?P<text>{_JOINED}))", re.DOTALL)

_VARIABLE = re.compile(
    r"\$\{\w+\}|[$@](?:self|_)?(?:->)?(?:\{\w+\}|\[\d+\])|\$\w+(?:->)?(?:\{\w+\}|\[\d+\])*|(?<!\w)@\w+|\$[!@]"
)


def _perl() -> Iterator[Sentence]:
    for file in sorted((ROOT / "smtp_auth").rglob("*.pm")):
        if file.stem == "Look":
            # It tells what is there, and refuses nothing.
            continue
        yield from of_perl(file.read_text(), str(file.relative_to(ROOT)))


def of_perl(code: str, place: str) -> Iterator[Sentence]:
    """The sentences of a package. + place: its path"""
    # Comments stay as empty lines, so that the numbers of the lines are right.
    text = re.sub(r"^[ \t]*#.*$", "", code, flags=re.MULTILINE)
    for match in _PERL.finditer(text):
        sentence = _normal(_perl_text(match["text"]))
        if _is_sentence(sentence):
            line = text.count("\n", 0, match.start("text")) + 1
            yield Sentence(sentence, f"{place}:{line}")


def _perl_text(joined: str) -> str:
    return "".join(_perl_part(part[0]) for part in re.finditer(rf"{_STRING}|{_CALL}", joined))


def _perl_part(part: str) -> str:
    if part.startswith('"'):
        text = _VARIABLE.sub(FILLED_IN, part[1:-1].replace("\\n", " ").replace("\\@", "\0"))
        return re.sub(r"\\(.)", r"\1", text).replace("\0", "@")
    if part.startswith("'"):
        return part[1:-1].replace("\\'", "'")
    return part[2:-1] if part.startswith("q{") else FILLED_IN


if __name__ == "__main__":
    for one in sentences():
        print(f"{one.place}\n    {one.text}")

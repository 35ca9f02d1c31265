"""docs/refusals.md has every sentence with which a host is refused or fails, and no other.

An entry is a line of a fenced block, where lines that begin with two spaces go on; `<…>` stands for what is
filled in. `python -m tests.unit.sentences` lists what the code has.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

import pytest

from tests.unit import sentences
from tests.unit.sentences import FILLED_IN, ROOT, Sentence

PAGE = ROOT / "docs" / "refusals.md"

# Parts of sentences that are looked up alone: what the code fills into another entry's place.
_PARTS_OF_OTHERS = {f"{FILLED_IN}: {FILLED_IN}"}


def _entries() -> list[Sentence]:
    """What the page explains, in the form that the sentences of the code have."""
    found: list[Sentence] = []
    is_block = False
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if line.startswith("```"):
            is_block = not is_block
        elif is_block and line.startswith("  "):
            last = found.pop()
            found.append(Sentence(f"{last.text} {line.strip()}", last.place))
        elif is_block:
            found.append(Sentence(line, f"docs/refusals.md:{number}"))
    return [Sentence(_comparable(re.sub(r"<[^<>]*>", FILLED_IN, one.text)), one.place) for one in found]


def _comparable(text: str) -> str:
    """What is filled in side by side, and into the end of a word, counts as one."""
    return re.sub(rf"{FILLED_IN}(?:\s*{FILLED_IN})+", FILLED_IN, text)


def _told(lacking: Iterable[Sentence], others: Iterable[Sentence], what: str) -> str:
    """One paragraph per sentence, with the one of the other side that it has perhaps become."""
    places = {other.text: other.place for other in others}
    paragraphs = []
    for one in lacking:
        near = get_close_matches(one.text, places, n=1, cutoff=0.5)
        perhaps = f"\n  perhaps {near[0]!r} ({places[near[0]]})" if near else ""
        paragraphs.append(f"{one.place}: {what}:\n  {one.text!r}{perhaps}")
    return "\n".join(paragraphs)


ENTRIES = _entries()
SENTENCES = [Sentence(_comparable(one.text), one.place) for one in sentences.sentences()]


def test_each_sentence_has_an_entry() -> None:
    known = {entry.text for entry in ENTRIES}
    lacking = [sentence for sentence in SENTENCES if sentence.text not in known]
    free = [entry for entry in ENTRIES if entry.text not in {sentence.text for sentence in SENTENCES}]
    assert not lacking, "\n" + _told(lacking, free, "docs/refusals.md has no entry of it")


def test_each_entry_has_a_sentence() -> None:
    known = {sentence.text for sentence in SENTENCES} | _PARTS_OF_OTHERS
    lacking = [entry for entry in ENTRIES if entry.text not in known]
    free = [sentence for sentence in SENTENCES if sentence.text not in {entry.text for entry in ENTRIES}]
    assert not lacking, "\n" + _told(lacking, free, "no code says it")


def test_no_entry_stands_twice() -> None:
    texts = [entry.text for entry in ENTRIES]
    assert [text for text in texts if texts.count(text) > 1] == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def _obstacles(look):\n    yield f'{look.path} is odd'", "… is odd"),
        ("def f(x):\n    raise ValueError('give a ' f'{x}')", "give a …"),
        ("def f(x):\n    hint = 'give more'\n    raise SomeError(f'{x}; {hint}')", "…; give more"),
        ("def f(x):\n    hint = 'give more'\n    raise SomeError(hint)", "give more"),
        ("def f(x):\n    fail([f'no {x!r} here'])", "no … here"),
        ("def f(x):\n    refusals.append(f'no {x!r} here')", "no … here"),
        ("def f(x):\n    refusals += [f'no {x!r} here']", "no … here"),
        ("def f(x):\n    refusals = [f'no {x!r} here']", "no … here"),
        ("def f(x):\n    g(Plan(refusals=(f'no {x!r} here',)))", "no … here"),
        ("def f(x):\n    return Outcome.FAILED, [f'lost {x}']", "lost …"),
        ("def f(x):\n    return f'{x} is lost'", "… is lost"),
        ("def f(x):\n    yield 'one way' if x else 'one way'", "one way"),
        ("def f(x):\n    yield 'one ' + x + ' way'", "one … way"),
        ("def f(self, x):\n    self.stopped = f'{x} is late'", "… is late"),
        ("LOST = 'it is lost'\ndef _f(x):\n    return LOST", "it is lost"),
        ("def f(x):\n    return Applied(REFUSED, (f'no {x!r} here',))", "no … here"),
        (
            "try:\n    import x\nexcept ImportError:\n    raise Mistake('x is missing') from None",
            "x is missing",
        ),
    ],
)
def test_a_sentence_is_found_in_python(code: str, text: str) -> None:
    assert {sentence.text for sentence in sentences.of_python(code, "x.py")} == {text}


@pytest.mark.parametrize(
    "code",
    [
        "def _warnings(look):\n    yield 'a warning is none'",
        "def f(draft):\n    draft.note('a note is none')",
        "def f(notes):\n    notes.append('a note is none')",
        "def _part(x):\n    return 'a part of another'",
        'def f(x):\n    """A docstring is none."""',
    ],
)
def test_what_refuses_nobody_is_no_sentence(code: str) -> None:
    assert list(sentences.of_python(code, "x.py")) == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (r'die "cannot write $path: $!\n";', "cannot write …: …"),
        (r'mkdir $x or die "cannot make $self->{folder}: $!\n";', "cannot make …: …"),
        ("return 'it is full' if $full;", "it is full"),
        ("return q{it's full};", "it's full"),
        ('push @found, "the file $_ is full"\n    if $full;', "the file … is full"),
        ('push @found, map { $_->name . " says: $_" } @said;', "… says: …"),
        ("die $service->name . \" is gone\\n\";", "… is gone"),
        ("return \"run \"\n    . _word($x)\n    . ' here';", "run … here"),
        ("$self->failed('mail is deferred') if 1;", "mail is deferred"),
        ("$self->_answers($to, qr/^220[ ].*\\n/xm, 'no greeting');", "no greeting"),
        ("$self->expect($socket, qr/^V\\t/xm, 'no answer');", "no answer"),
        ("return $self->_end('put back', \"${said}It is back.\");", "…It is back."),
        ("return _outcome('unknown', 'no trace of it');", "no trace of it"),
        ("return f($self->{since}) ? 'it is dead' : undef;", "it is dead"),
        ("die _other() // 'it cannot run', \"\\n\";", "it cannot run"),
    ],
)  # fmt: skip
def test_a_sentence_is_found_in_perl(code: str, text: str) -> None:
    assert {sentence.text for sentence in sentences.of_perl(code, "x.pm")} == {text}


@pytest.mark.parametrize(
    "code", ["# die 'a comment is none';", 'return "$key\\t$value\\n";', "answer('warning', 'not this');"]
)
def test_what_refuses_nobody_is_no_sentence_of_perl(code: str) -> None:
    assert list(sentences.of_perl(code, "x.pm")) == []

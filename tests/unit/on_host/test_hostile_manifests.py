"""Manifests of another shape in a host's record: a change goes live beside them, and all of them stay."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from smtp_auth.facts.record import parse
from tests.unit.hostile_manifests import shaped_otherwise
from tests.unit.on_host.folder_host import FIRST, ID, SECOND, Host
from tests.unit.on_host.test_history import read
from tests.unit.past import deployed
from tests.unit.scenarios import stock, wanted

# The record keeps twenty changes that are not live.
AT_A_TIME = 16

ROUNDS = 5


def _manifests() -> Iterator[tuple[str, str]]:
    """Those in which something is wrong that a host reads; of the others, some."""
    _, change = deployed(stock("3.10.5"), wanted())
    manifest = {**json.loads(json.dumps(change.manifest)), "outcome": "refused", "number": "7"}
    yield "a number without an end", json.dumps({**manifest, "number": "9" * 400}, indent=0)
    yield "a text without an end", '{\n"number": "' + "1" * 1_000_000
    yield "escapes without an end", '{\n"outcome": "' + '\\"' * 100_000
    every = [*shaped_otherwise(manifest)]
    yield from (
        one for one in every if one[0].startswith(("number:", "outcome:", "all of it:", "a key twice"))
    )
    yield from every[::50]


def test_a_change_goes_live_beside_manifests_of_another_shape(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    texts = [text for _, text in _manifests()][: ROUNDS * AT_A_TIME]
    assert len(texts) > 40
    record_property("cases", len(texts))
    for start in range(0, len(texts), AT_A_TIME):
        host = Host(tmp_path / str(start))
        for name in (FIRST, SECOND):
            (host.etc / name).write_text("old\n")
            (host.folder / "runs" / name).write_text("old\n")
        changes = host.record / "changes"
        for number, text in enumerate(texts[start : start + AT_A_TIME]):
            folder = changes / f"2026-11-20T10:00:{number:02}Z-0000"
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_bytes(text.encode("latin-1"))
        before = {path.name: (path / "manifest.json").read_bytes() for path in changes.iterdir()}
        done = host.run(host.program({FIRST: "new one\n", SECOND: "new two\n"}))
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "outcome\tlive"), done.stderr
        assert int(str(host.manifest()["number"])) < 10**16
        found = {path.name: (path / "manifest.json").read_bytes() for path in changes.iterdir()}
        assert {name: text for name, text in found.items() if name != ID} == before
        # The newest, although others claim numbers.
        record = parse(read(host.record).splitlines())
        assert len(record.changes) + len(record.unreadable) == len(found)

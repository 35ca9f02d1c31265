"""What Postfix lets whom do, before a deploy and after it: on port 465 a login may do what it could before.

The configurations are drawn (`drawing.py`): `-k case7-` or `-k case7]` draws the same again. The judge is
Postfix itself: each port is asked as a stranger, from mynetworks, and by several logins (`answers.py`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.answers import LOGINS, PORTS, STRANGERS, SUBMISSIONS, Answers, Powers, ask
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, side_by_side, tree
from tests.fleet.drawing import Drawn, draw
from tests.fleet.drawn_hosts import HYPOTHETICAL, make, smtpds, wait_for_others, with_hypothetical_logins
from tests.fleet.restrictions import SUSPENDED

CASES = 120

# Each is tried on a host of either release, two at a time.
ROUNDS = [(number, number + 1) for number in range(0, CASES, 2)]

_SMTP, _SUBMISSION = 25, 587
_EVERYTHING = Powers(abroad=True, here=True, said=("what the guide gives",))


# -- what is right ------------------------------------------------------------------------------------


def wrong(drawn: Drawn, before: Answers, after: Answers) -> Iterator[str]:
    """What somebody may do after the deploy, or may not do any more, against the rules."""
    yield from _on_465(drawn, before, after)
    for port in PORTS:
        if port != SUBMISSIONS:
            yield from _beside_465(port, drawn, before, after)
    for port in after.in_clear - before.in_clear:
        yield f"port {port} offers logins outside TLS, and did not before"


def _on_465(drawn: Drawn, before: Answers, after: Answers) -> Iterator[str]:
    if SUBMISSIONS not in after.offering:
        yield "port 465 offers no logins"
    for actor in STRANGERS:
        now = after.powers[SUBMISSIONS, actor]
        if not now <= Powers():
            yield f"port 465, {actor}, without a login: {_shown(now)}"
    models = _models(before)
    could_send = not models or any(before.powers[models[0], actor].abroad for actor in LOGINS)
    can_send = any(after.powers[SUBMISSIONS, actor].abroad for actor in LOGINS)
    if could_send and not can_send and not drawn.asks_for_addresses:
        yield "port 465 lets no login send to another domain"
    for actor in LOGINS:
        now = after.powers[SUBMISSIONS, actor]
        then = before.powers[models[0], actor] if models else _EVERYTHING
        # The lists of an existing service, and words for certain logins, may forbid more than the model.
        if SUBMISSIONS in before.serving - before.offering or (not models and drawn.binds):
            is_right = now <= then
        else:
            is_right = now.may_the_same(then)
        if not is_right:
            where = f"port {models[0]} before" if models else "the guide"
            yield f"port 465, {actor}: {_shown(now)}; {where}: {_shown(then)}"
        if not models and SUBMISSIONS not in before.serving:
            most = before.powers[HYPOTHETICAL, actor]
            if _is_bound(most) and not now <= most:
                yield f"port 465, {actor}: {_shown(now)}; main.cf's lists: {_shown(most)}"


def _models(before: Answers) -> list[int]:
    """The ports whose logins show what a login may do on port 465, best first."""
    return [port for port in (SUBMISSIONS, _SUBMISSION, _SMTP) if port in before.offering]


def _is_bound(powers: Powers) -> bool:
    """Whether it was the login that something was refused to."""
    return any("not owned by user" in said or "SASL login name" in said for said in powers.said)


def _beside_465(port: int, drawn: Drawn, before: Answers, after: Answers) -> Iterator[str]:
    is_asked_for = drawn.data.get("smtp_auth_on_port_25") is True and port in after.offering - before.offering
    # With logins, words such as reject_sender_login_mismatch begin to reject strangers.
    for actor in STRANGERS if port != _SMTP or not is_asked_for else ():
        yield from _the_same(port, actor, before, after)
    is_lost = port in before.offering - after.offering
    if is_lost and drawn.data.get("smtp_auth_on_port_25") is False:
        # The data ask for logins on port 465 alone.
        return
    if is_lost and port not in before.in_clear:
        yield f"port {port} offers no logins any more"
    for actor in LOGINS:
        if port == _SMTP and port in after.offering - before.offering:
            now, most = after.powers[port, actor], after.powers[SUBMISSIONS, actor]
            if not now <= most | before.powers[port, actor]:
                yield f"port 25, {actor}: {_shown(now)}; port 465: {_shown(most)}"
        elif not is_lost:
            yield from _the_same(port, actor, before, after)


def _the_same(port: int, actor: str, before: Answers, after: Answers) -> Iterator[str]:
    now, then = after.powers[port, actor], before.powers[port, actor]
    if not now.may_the_same(then):
        yield f"port {port}, {actor}: {_shown(now)}; before: {_shown(then)}"


def _shown(powers: Powers) -> str:
    return " / ".join(powers.said) + (" (logged in)" if powers.logged_in else "")


# -- how it is tried ----------------------------------------------------------------------------------


class _Figures:
    """What became of the pairs of a case and a release."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.deployed: Counter[str] = Counter()
        self.refused: dict[str, Counter[str]] = defaultdict(Counter)

    def count(self, host: LabHost, refusal: str | None, is_deployed: bool) -> None:
        self.tried[host.release] += 1
        self.deployed[host.release] += is_deployed
        if refusal:
            self.refused[host.release][refusal] += 1

    def lines(self) -> Iterator[str]:
        for release, tried in sorted(self.tried.items()):
            refused = self.refused[release]
            yield (
                f"what logins may do, {release}: {tried} pairs, {self.deployed[release]} deployed, "
                f"{refused.total()} refused"
            )
            for reason, times in refused.most_common():
                yield f"    {times} x {reason}"


@pytest.fixture(scope="module")
def figures(measured: Callable[[str], None]) -> Iterator[_Figures]:
    """The figures of the whole run, which are printed at its end."""
    figures = _Figures()
    yield figures
    for line in figures.lines():
        measured(line)


def _made(drawn: Mapping[LabHost, Drawn]) -> None:
    side_by_side(LabHost.reset, drawn)
    side_by_side(lambda host: make(drawn[host], host), drawn)


def _hypothetical(host: LabHost) -> Answers:
    with with_hypothetical_logins(host):
        return ask(host, SUSPENDED, [HYPOTHETICAL])


def _asked(hosts: Iterable[LabHost]) -> dict[LabHost, Answers]:
    hosts = [*hosts]
    return dict(zip(hosts, side_by_side(lambda host: ask(host, SUSPENDED), hosts), strict=True))


def _refusal(done: Run, host: LabHost) -> str | None:
    """Why the host was refused, in words that are the same for each host."""
    found = re.search(rf"{re.escape(host.name)} refused: (.*)", done.report)
    if found is None:
        return None
    why = found[1].partition(": ")[0].replace(host.name, "HOST").replace(host.domain, "DOMAIN")
    return re.sub(r" = .*?(?=, which)", " = …", why)


@pytest.mark.parametrize("numbers", ROUNDS, ids=lambda numbers: "-".join(f"case{one}" for one in numbers))
def test_a_login_may_do_what_it_could(lab: Lab, figures: _Figures, numbers: tuple[int, ...]) -> None:
    drawn = {
        lab.hosts[name]: one
        for one, pair in zip(map(draw, numbers), (FLEET[:2], FLEET[2:]), strict=True)
        for name in pair
    }
    _made(drawn)
    before = _asked(drawn)
    without = [host for host, answers in before.items() if not _models(answers)]
    for host, answers in zip(without, side_by_side(_hypothetical, without), strict=True):
        before[host].powers |= answers.powers
    trees = dict(zip(drawn, side_by_side(tree, drawn), strict=True))
    running = dict(zip(drawn, side_by_side(smtpds, drawn), strict=True))
    done = deploy(drawn, per_host={host.name: one.data for host, one in drawn.items()})
    changed = [host for host in drawn if done.changed(host)]
    side_by_side(lambda host: wait_for_others(host, running[host]), changed)
    after = _asked(changed)
    found: dict[Drawn, list[str]] = defaultdict(list)
    for host, one in drawn.items():
        refusal = _refusal(done, host)
        figures.count(host, refusal, is_deployed=host in changed)
        complaints = [*_drawn_wrongly(before[host])]
        if host in changed:
            complaints += wrong(one, before[host], after[host])
        elif refusal is None:
            complaints.append("neither changed nor refused:\n" + "\n".join(done.lines_of(host)))
        elif tree(host) != trees[host]:
            complaints.append("refused, and yet its files are others")
        found[one] += [f"{host.release}: {complaint}" for complaint in complaints]
    said = [f"case {one.number}\n" + "\n".join([*lines, str(one)]) for one, lines in found.items() if lines]
    assert not said, "\n\n".join(said)


def _drawn_wrongly(answers: Answers) -> Iterator[str]:
    """What keeps a drawn configuration from being one of somebody who knew what they did."""
    for (port, actor), powers in answers.powers.items():
        if any("4.3.5" in said for said in powers.said):
            yield f"drawn wrongly: port {port}, {actor}: {_shown(powers)}"
        if actor in LOGINS and port in answers.offering and not powers.logged_in:
            yield f"drawn wrongly: port {port}, {actor} cannot log in"

"""Postfix, which serves the ports: main.cf, master.cf and the SNI table."""

from collections.abc import Iterator

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.plan.service import Service
from smtp_auth.services.postfix import addresses, broken_services
from smtp_auth.services.postfix.coming_back import expect
from smtp_auth.services.postfix.definitions import PostfixDefinitions
from smtp_auth.services.postfix.followers import follow
from smtp_auth.services.postfix.needs import breaks, needs
from smtp_auth.services.postfix.references import referred
from smtp_auth.services.postfix.reload import due


def _obstacles(look: Look) -> Iterator[str]:
    yield from broken_services.obstacles(look)
    yield from addresses.obstacles(look)


POSTFIX = Service(
    key=MAIN_CF.service,
    name="Postfix",
    package="SmtpAuth::Postfix",
    reload_order=2,
    files=(MAIN_CF, MASTER_CF),
    due=due,
    obstacles=_obstacles,
    definitions=PostfixDefinitions(),
    follow=follow,
    expect=expect,
    needs=needs,
    referred=referred,
    breaks=breaks,
)

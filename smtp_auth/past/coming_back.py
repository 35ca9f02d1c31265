"""The plan of a draft that restores earlier files."""

from collections.abc import Sequence
from dataclasses import replace

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import Look
from smtp_auth.facts.record import PastChange
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.plan import Kind, Plan, plan_of_draft, unless_in_the_way
from smtp_auth.plan.proof import Proof
from smtp_auth.plan.step import Step, services_of
from smtp_auth.postfix.master_cf import submissions_services


def plan_back(draft: Draft, steps: Sequence[Step], kind: Kind, ledger: Ledger, back_to: PastChange) -> Plan:
    """The plan of an undo or a removal.

    The proof depends on the restored files, because a deploy need not have written them.

    + draft: with the restored files
    + steps: those of the deploy, in their order
    + kind: the kind of the change
    + ledger: what will be ours afterwards
    + back_to: the first change that is reversed
    """
    draft.proof = Proof(earlier=True)
    for service in services_of(steps):
        service.expect(draft)
    if draft.proof.submissions and not back_to.found_submissions_served:
        draft.note(f"port 465 did not work before change {back_to.id}, so it need not work afterwards")
        draft.proof = replace(draft.proof, submissions=False, certificates=())
    return unless_in_the_way(plan_of_draft(draft, steps, kind, ledger))


def closes_submissions(plan: Plan, look: Look) -> bool:
    """Whether Postfix listens on port 465 now, and will not do so after a plan.

    + look: the host as it is
    """
    if not look.submissions_services:
        return False
    new = (file.content or "" for file in plan.files if file.file.path == look.master_cf.path)
    return any(not submissions_services(content) for content in new)

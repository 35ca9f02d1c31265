"""The plan of a draft in which earlier files come back."""

from collections.abc import Sequence
from dataclasses import replace

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.record import PastChange
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.plan import Kind, Plan, plan_of_draft, unless_in_the_way
from smtp_auth.plan.proof import Proof
from smtp_auth.plan.step import Step, services_of


def plan_back(draft: Draft, steps: Sequence[Step], kind: Kind, ledger: Ledger, back_to: PastChange) -> Plan:
    """The plan that makes a host's files what they are in the draft.

    What has to be proved is read off the files: they may not be what a deploy would make.

    + steps: those of the deploy, in its order
    + ledger: what will be ours afterwards
    + back_to: the change before which the host will be again
    """
    draft.proof = Proof(earlier=True)
    for service in services_of(steps):
        service.expect(draft)
    if draft.proof.submissions and not back_to.found_submissions_served:
        draft.note(f"port 465 did not serve before change {back_to.id}, and is not asked to serve as it was")
        draft.proof = replace(draft.proof, submissions=False, certificates=())
    return unless_in_the_way(plan_of_draft(draft, steps, kind, ledger))

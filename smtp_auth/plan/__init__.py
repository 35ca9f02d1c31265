"""The plan of a host: what will happen to it, known as a value before anything happens.

    plan.py         the plan, made from settings, a look and the steps
    draft.py        the host's files while the steps edit them
    step.py         what a step is, and service.py: what a plan has to know of a service
    proof.py        what must be served afterwards
    ours.py         what of the host's configuration is ours: a look beside its ledger
    giving_back.py  gives definitions of ours the values that they had before
    readiness.py    what every host needs before any step
    difference.py   where two texts differ
    text.py         a plan for people, and as_json.py: for programs

No module here imports pyinfra, so that a plan can be made and read anywhere.
"""

"""The plan of a host: a value that says what will change on it, made before anything changes.

    plan.py         the plan, made from settings, a look and the steps
    draft.py        the host's files while the steps edit them
    step.py         the type of a step; service.py: the type of a service
    proof.py        what must work after the change
    ours.py         compares a look with its ledger: what is ours, and what its owner has edited
    giving_back.py  restores the earlier values of definitions that are ours
    readiness.py    what every host needs before any step; writers.py: who may write there besides root
    same_machine.py whether several names of a run are one machine
    difference.py   the differences between two texts
    text.py         a plan as text for people; as_json.py: as JSON for programs

No module here imports pyinfra, so that plans can be made and read without it.
"""

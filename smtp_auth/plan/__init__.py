"""The plan of a host: what will happen to it, known as a value before anything happens.

    draft.py          what the steps edit
    step.py           what a step is
    plan.py           the plan, made from settings, a look and the steps
    preview.py        a plan as text for people and as JSON, and what makes two plans the same
    readiness.py      what every host needs before any step
    certificates.py   which certificates can be served; shared by the steps on TLS
    submissions_options.py   which options a service on port 465 gets, and what of its owner's stays
    reloads.py        whether a script surely reloads a unit
    template.py       templates/, filled in
    shebang.py        which shell a script is for

No module here imports pyinfra, so that a plan can be made and read anywhere.
"""

"""What has been done to a host before, and the plans that take it back.

undo.py          the plan that restores what earlier changes have replaced
removal.py       the plan that takes back all that is still ours, by the ledger
coming_back.py   what both have in common: in which order, and what proves it
first_seen.py    files as they were before us, out of the record
taking_back.py   takes an earlier change of a text out of it; edits of others stay
"""

"""The plans that reverse earlier changes of a host.

undo.py          the plan that restores what earlier changes replaced
removal.py       the plan that removes everything that is still ours, by the ledger
coming_back.py   what both have in common: the order, and the proof
first_seen.py    the files as they were before us, from the record
taking_back.py   reverses an earlier change of a text; edits that others made since stay
"""

"""Rollouts: a plan that is a file, carried out in waves, by one controller or by several.

waves.py       which hosts are changed together
plan_file.py   the plan as a file
slices.py      the part of a wave that one process carries out
report.py      what became of the hosts, as JSON
judging.py     whether the next wave may begin, by the reports of all slices
events.py      tells another program what happens
"""

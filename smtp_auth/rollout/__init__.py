"""Rollouts: a plan that is a file, carried out in waves, by one controller or by several.

waves.py       which hosts are changed together
plan_file.py   the plan as a file; making.py: made out of the plans of its hosts
out.py         `smtp-auth plan --out`
slices.py      the part of a wave that one process carries out
report.py      what became of the hosts, as JSON; reading.py: reads what another command has written
engine.py      carries a plan out, wave by wave; verifying.py: verifies the hosts of a wave
tasks.py       what hosts are asked: as in a deploy and an undo, once an earlier attempt is over
events.py      tells another program what happens
options.py     the options of `smtp-auth rollout`; wishes.py: what they want
rollout_command.py    `smtp-auth rollout`; text.py: what it shows
judging.py     whether the next wave may begin, by the reports of all slices
merge_command.py      `smtp-auth merge`
queue/         slices as jobs: `smtp-auth queue`
"""

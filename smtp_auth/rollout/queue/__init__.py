"""The rollout's queue: jobs of procrastinate in a PostgreSQL, where one controller is not enough.

A queue is a zone. A job is one slice of a wave: a worker in that zone starts `smtp-auth rollout` for it, and
stores the report. The database holds names, digests and outcomes; the hosts hold the truth.

database.py    the connection, and what can be wrong with it
tables.py      the tables
rows.py        rollouts and slices as rows: put in, claimed, stored, paused
cli.py         the command line
next_wave.py   the slice that finishes a wave judges it, and puts in the jobs of the next one
process.py     the process that carries out a slice
slicing.py     a claimed slice, from its claim to its report
worker.py      takes jobs, finds those of dead workers, outlives the database
checking.py    the periodic check of what would change
commands.py    `smtp-auth queue …`
status.py, status_text.py, status_json.py    what the queue knows; shown to people and programs
"""

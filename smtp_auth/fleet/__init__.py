"""Many hosts side by side, for the commands of `smtp-auth`.

options.py     the options that choose them
inventory.py   the hosts, from the inventory and data that pyinfra deploys with; chosen.py: what it returns
own_files.py   the deploy's own files, which are not the inventory's
names.py       the order of hosts for people
channels.py    the channels to them, and what is sent
planning.py    the plan of every host; nothing is changed
applying.py    carries the plans out, each host at its own pace
outcomes.py    what became of each host
text.py        plans as lines, each different one once; as_json.py: as JSON
console.py     lines on a terminal or in a file; progress.py: what is done, and what is under way
plan_command.py       `smtp-auth plan`
change_command.py     what `smtp-auth apply`, `undo` and `remove` have in common: plan, question, changes
apply_command.py, undo_command.py, remove_command.py    what is their own
hold_command.py       `smtp-auth hold` and `release`; hold_words.py: their reason
history_command.py    `smtp-auth history`
history.py            the records of the hosts; events.py: what has happened, one row for several hosts
history_text.py, history_json.py    the history as lines for people, and as JSON
typed_times.py        the times that people type
"""

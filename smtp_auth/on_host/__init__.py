"""What runs on a host, and the functions that ask it and change it.

    asking.py         asks a host: a look, its record, a rehearsal, or all together
    changing.py       changes a host, and reads the outcome
    holding.py        holds a host, or releases it
    channel.py        how commands reach a host, over any kind of connection
    causes.py         why a host runs no program of ours
    programs.py       the programs that are sent; packing.py assembles them from packages
    instructions.py   the instructions of a change, made from its plan; origin.py: who makes the change

The rest is in Perl, which every Debian host has; the comment at the top of each package describes it. These
programs are sent to a host on standard input. Only the record stays there.

    Look.pm           what the host is; reads only
    History.pm        what the record of changes holds; reads only
    Hold.pm           the hold of a host: reads only; Holding.pm: writes and ends it
    Supervise.pm      starts a change as a systemd unit, or waits for its outcome
    Change.pm         the program of a change
    Instructions.pm   its instructions
    Rehearsal.pm      the host's own programs check the new files before the change
    Transaction.pm    swap, reload, prove, or restore
    Swap.pm           replaces the files and restores them; Beside.pm: the files that it keeps beside a file
    Recovery.pm       the unit that finishes a change when the host boots
    Locks.pm          the lock of a change, and those of other programs
    Ways.pm           the way to a file, and who besides root may write there
    Service.pm        one service's part in it: Change.pm in each folder of `services/` inherits from this
    Record.pm         who changed what, the files from before; Baseline.pm: what was there first
    Etckeeper.pm      commits of /etc, if etckeeper keeps it
    Proof.pm          a real connection to a service: Proof.pm in each folder inherits from this
    Proved.pm         which services were proved since they were started
    Machine.pm        what tells a machine from others
    Units.pm          what keeps systemctl from reloading a unit
    Files.pm, Writing.pm, Programs.pm, Processes.pm, Lines.pm, Json.pm, Manifest.pm, Pem.pm, Account.pm
                      the library
"""

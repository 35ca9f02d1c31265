"""What runs on a host, and the functions that ask it and change it.

    asking.py         to ask a host: a look, its record, a rehearsal, all together
    changing.py       to change a host, and learn the outcome
    channel.py        the way to a host, whatever carries it
    programs.py       the programs that are sent; packing.py puts their packages together
    instructions.py   what a host is told of a change, made from its plan; origin.py: where the change is from

In Perl, which every Debian host has; the first lines of each package say what it is for. They are sent to a
host on standard input, and only the record stays there.

    Look.pm           what the host is; reads only
    History.pm        what the record of changes holds; reads only
    Supervise.pm      starts a change as a unit of systemd's, or waits for its outcome
    Change.pm         what the program of a change is run for
    Instructions.pm   what a change is to do
    Rehearsal.pm      what stands in the way of it, asked of the host's own programs
    Transaction.pm    swap, reload, prove, or put back; Beside.pm: what stands beside a file meanwhile
    Service.pm        one service's part in it, as all of them have it: Change.pm in its folder of `services/`
    Record.pm         who changed what, the files from before; Baseline.pm: what was there first
    Etckeeper.pm      commits of /etc, where etckeeper keeps it
    Proof.pm          a real connection to a service: Proof.pm in its folder
    Files.pm, Writing.pm, Programs.pm, Processes.pm, Lines.pm, Json.pm, Manifest.pm, Pem.pm   the library
"""

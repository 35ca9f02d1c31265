package SmtpAuth::Supervise;

# Starts a change as a systemd unit, or waits for its outcome. As a unit, the change continues if the connection is lost. If it
# is killed, systemd runs it once more, to restore what was not proved.
#
#   main PARTS, WHAT, ID, RECORD   RECORD is the directory of the record. WHAT is
#     start     starts the program of the change, which follows `__END__` with its instructions. It is in /run/smtp-auth-ID
#               until the change has finished. This folder is in use as long as a process has locked it, or the unit runs
#     follow    waits until the change has finished, or systemd has stopped it and what restores the files
#   Both print the answer of the change at the end (SmtpAuth::Transaction). There are two more outcomes: refused, if it did not
#   begin, and unknown. Returns the exit status: 0 if the change is live.

use strict;
use warnings;
use Fcntl qw(LOCK_EX LOCK_NB LOCK_SH);
use Symbol qw(qualify_to_ref);
use SmtpAuth::Account qw(account);
use SmtpAuth::Files qw(content_of entries is_same read_file);
use SmtpAuth::Lines qw(answer as_line);
use SmtpAuth::Programs qw(output_of);
use SmtpAuth::Writing qw(create);

my $RUN = '/run';
my $UNIT = 'smtp-auth-change';

# Seconds after which systemd stops a change, and after which it stops the restoring.
my $LONGEST = 1800;
my $LONGEST_PUTTING_BACK = 600;

# The seconds between two looks for the outcome, and how often it is looked for.
my $PAUSE = 0.1;
my $TIMES = ($LONGEST + $LONGEST_PUTTING_BACK) / $PAUSE;

my $TRIES = 3;

# Seconds for another start to fill its folder.
my $FILLING = 3;

my $FOR_ITS_OWNER = oct '700';

sub main {
    my (undef, $what, $id, $record) = @_;
    $ENV{LC_ALL} = 'C';
    $SIG{HUP} = $SIG{PIPE} = 'IGNORE';
    return _follow($what, $id, $record) if $what eq 'follow';
    my $program = do { local $/ = undef; readline(qualify_to_ref('DATA', 'main')) // q{} };
    my $status = eval { _start($id, $record, $program) };
    return _refuse($@) if !defined $status;
    # If systemd-run could not wait, the change has not printed its outcome.
    return _follow($what, $id, $record) if $status eq 'started';
    return $status eq 'unfinished' ? _follow('follow', $id, $record) : $status;
}

# The exit status of the change; `started` if systemd-run could not wait for it; or `unfinished`, if an earlier attempt of the same
# run has not finished this very change: its controller may have died. Dies with a sentence if the change did not begin.
sub _start {
    my ($id, $record, $program) = @_;
    # Without its last line, the program is incomplete.
    $program =~ /\ncomplete\t1\n*\z/x or die "the change arrived incomplete\n";
    _remove_remains();
    my $folder = _folder($id);
    my $in_use = _create_alone($folder, $program) or return 'unfinished';
    eval { _fill($folder, $program); _forget_last($id, $record); 1 } or _die_without($folder, $@);
    # systemd-run needs D-Bus to wait; some hosts do not have it.
    my $waits = -S "$RUN/dbus/system_bus_socket";
    my @command = _unit($id, $waits);
    open STDIN, '<', '/dev/null' or _die_without($folder, "cannot read /dev/null: $!\n");
    my $status = system { $command[0] } @command;
    return $waits ? 0 : 'started' if $status == 0;
    # If its folder is still there, the change has not begun.
    return 1 if !-e "$folder/change.pl" || -e "$folder/began";
    _remove($folder);
    die _at_work() // 'systemd-run cannot run the change on this host', "\n";
}

# As `_create`. Dies with a sentence if another change is in the folder: two names of a machine have the same run, too.
sub _create_alone {
    my ($folder, $program) = @_;
    for (1 .. $FILLING / $PAUSE) {
        my $in_use = _create($folder);
        return $in_use if $in_use;
        # Until it is complete, another start is filling the folder, or a change that has ended deletes it.
        my $there = content_of("$folder/change.pl") // q{};
        if ($there =~ /^complete\t1$/xm) {
            return if _files_in($there) eq _files_in($program);
            last;
        }
        select undef, undef, undef, $PAUSE;
    }
    die _at_work() // 'another deploy has just ended on this host; nothing was changed: run again', "\n";
}

# The instructions for files. Another attempt may have another controller, for example.
sub _files_in { my ($program) = @_; return join "\n", $program =~ /^(file[.].*)$/gxm }

sub _folder { my ($id) = @_; return "$RUN/smtp-auth-$id" }

# Creates a folder and locks it; returns the handle, or nothing if the folder exists. Another start may take it for a remainder
# until it is locked.
sub _create {
    my ($folder) = @_;
    for (1 .. $TRIES) {
        if (!mkdir $folder, $FOR_ITS_OWNER) {
            return if $!{EEXIST};
            die "cannot create $folder: $!\n";
        }
        open my $handle, '<', $folder or next;
        flock $handle, LOCK_SH or die "cannot lock $folder: $!\n";
        return $handle if _is_still($handle, $folder);
    }
    die "cannot create $folder\n";
}

# Whether an opened folder still has its path: another start may have deleted it, and created one of that name.
sub _is_still { my ($handle, $folder) = @_; return is_same($folder, '/proc/self/fd/' . fileno $handle) }

# The outcome of an earlier attempt of the same run is not that of this one.
sub _forget_last {
    my ($id, $record) = @_;
    return if (read_file("$record/last") // q{}) !~ /\Aid\t\Q$id\E\n/x;
    my $last = "$record/last";
    unlink $last or die "cannot delete $last: $!\n";
    return;
}

sub _fill {
    my ($folder, $program) = @_;
    my $user = account();
    my ($from) = split /[ ]/x, $ENV{SSH_CONNECTION} // q{};
    create("$folder/change.pl", $program . as_line('ssh_user', $user));
    create("$folder/who", $user . ($from ? " from $from" : q{}) . ' since ' . gmtime() . ' UTC');
    return;
}

sub _die_without {
    my ($folder, $why) = @_;
    _remove($folder);
    die $why;
}

sub _unit {
    my ($id, $waits) = @_;
    my $folder = _folder($id);
    my $program = "$folder/change.pl";
    # The change deletes its folder when it finishes. If the program still exists, the change was interrupted. If the process
    # that restores the files is killed, too, systemd goes on with the second command, because of the "-" before the first one.
    my $put_back = "test ! -e $program || exec $^X $program put-back";
    my $again = "test ! -e $folder || { test ! -e $program || $^X $program put-back; rm -rf $folder; }";
    return (
        'systemd-run', '--quiet', '--collect', "--unit=$UNIT",
        "--description=Change of the mail configuration ($id)",
        ($waits ? qw(--wait --pipe) : ()),
        '-p', "ExecStopPost=-/bin/sh -c '$put_back'",
        '-p', "ExecStopPost=/bin/sh -c '$again'",
        '-p', "TimeoutStopSec=$LONGEST_PUTTING_BACK",
        '-p', "RuntimeMaxSec=$LONGEST",
        $^X, $program, 'change',
    );
}

# That another deploy is running, if so.
sub _at_work {
    my ($who) = grep { defined } map { content_of("$_/who") } _folders();
    return if !defined $who;
    return "another deploy is running on this host ($who); nothing was changed: run again when it has finished";
}

sub _folders { return map { "$RUN/$_" } grep { /^smtp-auth-/x } entries($RUN) }

# Deletes the folders of starts that died.
sub _remove_remains {
    for my $folder (grep { m{/smtp-auth-2[^/]*$}x } _folders()) {
        open my $handle, '<', $folder or next;
        _remove($folder) if flock($handle, LOCK_EX | LOCK_NB) && _is_still($handle, $folder) && !_is_running();
        close $handle or next;
    }
    return;
}

# A unit that restores files is "deactivating", for which `systemctl is-active` has no exit status of its own.
sub _is_running { return output_of(qw(systemctl show --property=ActiveState), $UNIT) !~ /=(?:inactive|failed)$/xm }

sub _remove {
    my ($folder) = @_;
    unlink map { "$folder/$_" } entries($folder);
    rmdir $folder;
    return;
}

sub _follow {
    my ($what, $id, $record) = @_;
    for (1 .. $TIMES) {
        # In this order: once its folder is gone, the change has written its outcome, and another one can start.
        my $is_over = !-e _folder($id);
        my $last = content_of("$record/last");
        if ($is_over && defined $last && $last =~ s/\Aid\t\Q$id\E\n//x) {
            print $last or return 1;
            return $last =~ /^outcome\tlive$/xm ? 0 : 1;
        }
        return _outcome('unknown', 'the host knows nothing of this change: it did not begin, or there were others since; run again')
            if $what ne 'start' && $is_over;
        select undef, undef, undef, $PAUSE;
    }
    return _outcome('unknown', 'the change has not finished yet: run again to see its outcome');
}

sub _refuse {
    my ($why) = @_;
    chomp $why;
    return _outcome('refused', $why =~ /nothing[ ]was[ ]changed/x ? $why : "$why; nothing was changed");
}

sub _outcome {
    my ($outcome, $said) = @_;
    answer('said', $said);
    answer('outcome', $outcome);
    return 1;
}

1;

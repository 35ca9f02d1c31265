package SmtpAuth::Programs;

# Runs the host's own programs, and tells what runs on it.
#
#   prepare                       sets the environment in which all of them run; once, at a program's start
#   found COMMAND                 whether a command is in the PATH
#   run COMMAND…                  (exit status as in $?, everything that it says)
#   output_of COMMAND…            its standard output; empty where it fails
#   silently COMMAND…             runs it for what it does: nobody hears what it says
#   digests_of PATH…              a hash of the files that exist: path to SHA-256 in hexadecimal
#   running NAME, PID_FILE        the process that the file names, if it is alive and still that program
#   children_of PID               the processes that a process has started
#   wait_until SECONDS, FUNCTION  what the function gives at last: it is asked until it gives something true
#   now                           seconds since 1970, with fractions
#   journal_since TIME            the journal since a time of now()'s
#
# A process has no standard input of ours: a program of ours may still be read from it.

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of);

our @EXPORT_OK =
    qw(prepare found run output_of silently digests_of running children_of wait_until now journal_since);

# An account's own PATH may lack these.
my @DIRECTORIES = qw(/usr/sbin /usr/bin /sbin /bin /snap/bin);

# The status of a command that cannot be started, as a shell has it.
my $NOT_STARTED = 127;

my $PAUSE = 0.01;

sub prepare {
    $ENV{LC_ALL} = 'C';
    $ENV{PATH} = join q{:}, grep { defined && length } $ENV{PATH}, @DIRECTORIES;
    return;
}

sub found {
    my ($command) = @_;
    return scalar grep { -x "$_/$command" } split /:/x, $ENV{PATH};
}

sub run {
    my @command = @_;
    return _run(sub { open STDERR, '>&', \*STDOUT or _give_up() }, @command);
}

sub output_of {
    my @command = @_;
    my ($status, $said) = _run(\&_hush, @command);
    return $status == 0 ? $said : q{};
}

sub _run {
    my ($redirect, @command) = @_;
    my $pid = open my $pipe, q{-|};
    return (1, "cannot start $command[0]: $!") if !defined $pid;
    _become($redirect, @command) if !$pid;
    my $said = do { local $/ = undef; <$pipe> };
    # Without an error, it is the command that has failed.
    close $pipe or $! == 0 or return (1, "cannot read what $command[0] says: $!");
    return ($?, defined $said ? $said : q{});
}

# What the command leaves behind holds no handle of this process, and so does not keep its reader waiting.
sub silently {
    my @command = @_;
    my $pid = fork // return;
    _become(sub { open STDOUT, '>', '/dev/null' or _give_up(); _hush() }, @command) if !$pid;
    waitpid $pid, 0;
    return;
}

sub _hush {
    open STDERR, '>', '/dev/null' or _give_up();
    return;
}

# The process of a command; never returns.
sub _become {
    my ($redirect, @command) = @_;
    open STDIN, '<', '/dev/null' or _give_up();
    $redirect->();
    exec { $command[0] } @command or _give_up();
}

# Without the END blocks and the objects of the process whose copy this is. Few programs ever need POSIX, and it is slow.
sub _give_up {
    require POSIX;
    return POSIX::_exit($NOT_STARTED);
}

sub digests_of {
    my @paths = @_;
    my @files = grep { -f } @paths or return;
    my (undef, $said) = run('sha256sum', q{--}, @files);
    return map { /^\\?([0-9a-f]{64})[ ][ *](.*)$/x ? ($2, $1) : () } split /\n/x, $said;
}

sub running {
    my ($name, $pid_file) = @_;
    my ($pid) = (content_of($pid_file) // q{}) =~ /(\d+)/x or return;
    return ((content_of("/proc/$pid/comm") // q{}) eq "$name\n") ? $pid : undef;
}

sub children_of {
    my ($pid) = @_;
    return split /[ ]/x, content_of("/proc/$pid/task/$pid/children") // q{};
}

sub wait_until {
    my ($seconds, $function) = @_;
    my $result = $function->();
    for (my $rest = $seconds; !$result && $rest > 0; $rest -= $PAUSE) {
        select undef, undef, undef, $PAUSE;
        $result = $function->();
    }
    return $result;
}

sub now {
    my $now = output_of('date', '+%s.%N');
    chomp $now;
    return $now;
}

sub journal_since {
    my ($when) = @_;
    my (undef, $said) = run('journalctl', '--quiet', '--no-pager', '--output=short', "--since=\@$when");
    return $said;
}

1;

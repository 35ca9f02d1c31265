package SmtpAuth::Programs;

# Runs the host's own programs, and tells what runs on it.
#
#   prepare                       sets the environment in which all of them run; once, at a program's start
#   found COMMAND                 whether a command is in the PATH
#   run COMMAND…                  (exit status as in $?, everything that it says)
#   output_of COMMAND…            its standard output; empty where it fails
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

our @EXPORT_OK = qw(prepare found run output_of running children_of wait_until now journal_since);

# An account's own PATH may lack these.
my @DIRECTORIES = qw(/usr/sbin /usr/bin /sbin /bin /snap/bin);

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
    return _run(sub { open STDERR, '>&', \*STDOUT }, @command);
}

sub output_of {
    my @command = @_;
    my ($status, $said) = _run(sub { open STDERR, '>', '/dev/null' }, @command);
    return $status == 0 ? $said : q{};
}

sub _run {
    my ($redirect, @command) = @_;
    my $pid = open my $pipe, q{-|};
    return (1, "cannot start $command[0]: $!") if !defined $pid;
    if (!$pid) {
        open STDIN, '<', '/dev/null' and $redirect->() or _give_up();
        exec { $command[0] } @command or _give_up();
    }
    my $said = do { local $/ = undef; <$pipe> };
    close $pipe or $! == 0 or return (1, "cannot read what $command[0] says: $!");
    return ($?, defined $said ? $said : q{});
}

# Without the END blocks and the objects of the process whose copy this is. Few programs ever need POSIX, and it is slow.
sub _give_up {
    require POSIX;
    return POSIX::_exit(127);
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
    my $found = $function->();
    for (my $left = $seconds; !$found && $left > 0; $left -= 0.01) {
        select undef, undef, undef, 0.01;
        $found = $function->();
    }
    return $found;
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

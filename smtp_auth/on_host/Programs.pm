package SmtpAuth::Programs;

# Runs the host's own programs, and finds running processes.
#
#   prepare                       sets the environment of these programs; to be called once, at the start
#   found COMMAND                 whether a command is in the PATH
#   run COMMAND…                  (exit status as in $?, everything that it prints)
#   output_of COMMAND…            its standard output; empty if it fails
#   run_within, output_within SECONDS, COMMAND…   the same; the command is killed if it takes longer. It must start no others
#   silently COMMAND…             runs it without its output
#   digests_of PATH…              a hash of the files that exist: path to SHA-256 in hexadecimal. Dies if one cannot be read
#   running NAME, PID_FILE        the process ID in the file, if that process runs and has this name
#   children_of PID               the child processes of a process
#   wait_until SECONDS, FUNCTION  calls a function until it returns something true, for so many seconds; its last result
#   now                           seconds since 1970, with fractions
#   journal TIME, WORD…           the command that prints the journal since a time from now(), with further words for journalctl
#
# The commands do not get our standard input: perl may still be reading our program from it.

use strict;
use warnings;
use Exporter qw(import);
use IO::Handle;
use SmtpAuth::Files qw(content_of is_there name_of_handle opened);

our @EXPORT_OK =
    qw(prepare found run output_of run_within output_within silently digests_of running children_of wait_until now journal);

# An account's own PATH may lack these.
my @DIRECTORIES = qw(/usr/sbin /usr/bin /sbin /bin /snap/bin);

# The status of a command that cannot be started, as in a shell.
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

sub run { my @command = @_; return run_within(0, @command) }

sub output_of { my @command = @_; return output_within(0, @command) }

# A program keeps the alarm of the process that becomes it (alarm(2)): timeout(1) would be another process.
sub run_within {
    my ($seconds, @command) = @_;
    return _run(sub { alarm $seconds; open STDERR, '>&', \*STDOUT or _give_up() }, @command);
}

sub output_within {
    my ($seconds, @command) = @_;
    my ($status, $said) = _run(sub { alarm $seconds; _hush() }, @command);
    return $status == 0 ? $said : q{};
}

sub _run {
    my ($redirect, @command) = @_;
    my $pid = open my $pipe, q{-|};
    return (1, "cannot start $command[0]: $!") if !defined $pid;
    _become($redirect, @command) if !$pid;
    my $said = do { local $/ = undef; <$pipe> };
    my $is_cut_off = $pipe->error;
    # close is false without an error number if the command has failed.
    close $pipe or $! == 0 or return (1, "cannot read what $command[0] says: $!");
    return (1, "cannot read what $command[0] says") if $is_cut_off;
    return ($?, defined $said ? $said : q{});
}

# If the command leaves processes behind, they do not hold our standard output, so that its reader does not wait for them.
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

# Exits without the END blocks and destructors of the parent process. POSIX is loaded only here, because that is slow.
sub _give_up {
    require POSIX;
    return POSIX::_exit($NOT_STARTED);
}

sub digests_of {
    my @paths = @_;
    my @files = grep { is_there($_) } @paths or return;
    # A link that leads nowhere is no file.
    my @handles = map { opened($_) // die "cannot read $_\n" } @files;
    my ($status, $said) = run('sha256sum', q{--}, map { name_of_handle($_) } @handles);
    die "cannot read the files: $said\n" if $status;
    my @digests = $said =~ /^([0-9a-f]{64})[ ]/gxm;
    die "cannot read the files: $said\n" if @digests != @files;
    return map { $files[$_] => $digests[$_] } 0 .. $#files;
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

sub journal { my ($when, @words) = @_; return ('journalctl', '--quiet', '--no-pager', "--since=\@$when", @words) }

1;

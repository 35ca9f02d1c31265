package SmtpAuth::Shell;

# Runs shell commands that follow `__END__`, one after the other arrives, whatever the login shell of the account is.
#
#   main PARTS    serves until its standard input ends
#
# A command is sent as a line "NUMBER LENGTH" and so many bytes. Its answer is a line of SmtpAuth::Lines: NUMBER, and as value a
# line "STATUS LENGTH", so many bytes of its standard output, and then its standard error. Commands run side by side, each with
# the environment of SmtpAuth::Programs and an empty standard input.

use strict;
use warnings;
use Symbol qw(qualify_to_ref);
use SmtpAuth::Lines qw(as_line);
use SmtpAuth::Programs qw(prepare);

# Bytes that are read at a time.
my $PIECE = 65_536;

# The status of a command that cannot be started, as in a shell.
my $NOT_STARTED = 127;

sub main {
    prepare();
    my $commands = qualify_to_ref('DATA', 'main');
    # Whoever has taken the byte out of it may write: long lines of several processes would mix.
    my ($may_write, $written) = @{_pipe()};
    syswrite $written, q{.};
    while (defined(my $head = readline $commands)) {
        my ($number, $length) = $head =~ /^(\d+)[ ](\d+)$/x or die "this is no command: $head\n";
        read($commands, my $command, $length) == $length or last;
        my $pid = fork // die "cannot start a process: $!\n";
        _answer($number, $command, $may_write, $written) if !$pid;
        1 while waitpid(-1, _no_hang()) > 0;
    }
    1 while waitpid(-1, 0) > 0;
    return 0;
}

# WNOHANG of waitpid(2) on Linux: POSIX is slow to load.
sub _no_hang { return 1 }

# In a process of its own; never returns.
sub _answer {
    my ($number, $command, $may_write, $written) = @_;
    my ($status, $said, $complained) = eval { _run($command) };
    ($status, $said, $complained) = ($NOT_STARTED, q{}, $@) if !defined $status;
    # If nobody reads any more, the others must get their turn to notice that, too.
    local $SIG{PIPE} = 'IGNORE';
    my $line = as_line($number, "$status " . length($said) . "\n$said$complained");
    sysread $may_write, my $token, 1;
    my $done = 0;
    while ($done < length $line) {
        $done += syswrite(STDOUT, $line, length($line) - $done, $done) // last;
    }
    syswrite $written, $token;
    exit;
}

sub _run {
    my ($command) = @_;
    my @pipes = (_pipe(), _pipe());
    my $pid = fork // die "cannot start a process: $!\n";
    _become($command, map { $_->[1] } @pipes) if !$pid;
    close $_->[1] for @pipes;
    my @said = _read_both(map { $_->[0] } @pipes);
    waitpid $pid, 0;
    # As in a shell: of a signal, 128 and its number.
    return ($? & 127 ? 128 + ($? & 127) : $? >> 8, @said);
}

sub _pipe {
    pipe my $from, my $to or die "cannot make a pipe: $!\n";
    return [$from, $to];
}

sub _read_both {
    my @from = @_;
    my @said = (q{}, q{});
    my %open = map { $_ => 1 } 0 .. $#from;
    while (%open) {
        my $waits = q{};
        vec($waits, fileno $from[$_], 1) = 1 for keys %open;
        next if select($waits, undef, undef, undef) < 0;
        for my $number (grep { vec $waits, fileno $from[$_], 1 } keys %open) {
            sysread $from[$number], $said[$number], $PIECE, length $said[$number] or delete $open{$number};
        }
    }
    return @said;
}

# The process of the command; never returns.
sub _become {
    my ($command, $said, $complained) = @_;
    open STDIN, '<', '/dev/null' or exit $NOT_STARTED;
    open STDOUT, '>&', $said or exit $NOT_STARTED;
    open STDERR, '>&', $complained or exit $NOT_STARTED;
    exec 'sh', '-c', $command or exit $NOT_STARTED;
}

1;

package SmtpAuth::Proved;

# Which services were proved since they were last started or changed. The file `proved` in the directory of the record has a
# line of SmtpAuth::Lines for each of them: its key, and its state when it was proved. SmtpAuth::Record writes it.
#
#   state_of PID, PATH…       a text that differs if the process PID was started again, or one of the files was changed. A
#                             PATH without a file does not count
#   is_proved RECORD, KEY, STATE   whether a service was proved in this state
#   states_in RECORD               all that is kept: a hash, key to state

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Lines qw(pairs_in);
use SmtpAuth::Processes qw(ticks);

our @EXPORT_OK = qw(is_proved state_of states_in);

sub state_of {
    my ($pid, @paths) = @_;
    my $boot = content_of('/proc/sys/kernel/random/boot_id') // q{};
    my %files = map { _identity($_) => 1 } grep { -f } @paths;
    return join q{ }, $boot =~ s/\s//grx, $pid, ticks($pid) // q{}, sort keys %files;
}

# Device, inode, size and times: an edit changes one of them.
sub _identity { my ($path) = @_; return join q{:}, (stat $path)[0, 1, 7, 9, 10] }

sub is_proved {
    my ($record, $key, $state) = @_;
    return (states_in($record)->{$key} // q{}) eq $state;
}

sub states_in { my ($record) = @_; return {map { @{$_} } pairs_in(content_of("$record/proved") // q{})} }

1;

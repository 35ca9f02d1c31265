package SmtpAuth::Postfix::Master;

# Postfix's master(8) and the processes that it has started.
#
#   master_in QUEUE_DIRECTORY   its process ID; undef if it does not run
#   queue_manager_of MASTER     the process ID of its queue manager, which a reload restarts; undef if none runs
#   smtpd_died_since TIME       whether an smtpd has died when it started since a time in seconds since 1970. master then does
#                               not start that service again for a minute

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Programs qw(children_of journal_since running);

our @EXPORT_OK = qw(master_in queue_manager_of smtpd_died_since);

sub master_in { my ($queue_directory) = @_; return running('master', "$queue_directory/pid/master.pid") }

sub queue_manager_of {
    my ($master) = @_;
    return (grep { (content_of("/proc/$_/comm") // q{}) =~ /^o?qmgr$/x } children_of($master))[-1];
}

sub smtpd_died_since {
    my ($when) = @_;
    return journal_since($when) =~ /smtpd:[ ]bad[ ]command[ ]startup[ ]--[ ]throttling/x;
}

1;

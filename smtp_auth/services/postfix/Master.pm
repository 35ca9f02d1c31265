package SmtpAuth::Postfix::Master;

# Postfix's master(8) and the processes that it has started.
#
#   master_in QUEUE_DIRECTORY   its process ID; undef if it does not run
#   queue_manager_of MASTER     the process ID of its queue manager, which a reload restarts; undef if none runs
#   smtpd_died_since TIME, QUEUE_DIRECTORY, PORT…
#                               whether an smtpd that serves one of these ports has died when it started, since a time in seconds
#                               since 1970. master then does not start that service again for a minute
#
# Clients without a login decide what some lines in Postfix's log say, and any account may write lines under any name. So only
# master's own line counts, and what the process that died said of itself: journald takes the fields _PID, _UID and _CMDLINE from
# the kernel. If the journal does not have both, smtpd counts as alive.

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Programs qw(children_of journal run running);

our @EXPORT_OK = qw(master_in queue_manager_of smtpd_died_since);

# What master says of a process that has not served anybody before it died (master_reap_child() in src/master/master_spawn.c).
my $END = qr/(?:exit[ ]status|killed[ ]by[ ]signal)[ ]\d+/x;
my $ENDED = qr{warning:[ ]process[ ](\S*/smtpd)[ ]pid[ ](\d+)[ ]$END}x;
my $THROTTLING = qr/:[ ]bad[ ]command[ ]startup[ ]--[ ]throttling/x;
my $DIED = qr/^$ENDED\nwarning:[ ]\1$THROTTLING$/xm;

# How master begins its command line (get_master_ent() in src/master/master_ent.c): -l or -z for the limit of processes, and the
# service's name only if it differs from that of the program.
my $WORD = qr/[^\s"\\]+/x;
my $BEGINNING = qr/smtpd(?:[ ]-[lz])?(?:[ ]-n[ ]($WORD))?[ ]-t[ ]($WORD)/x;

# Behind postscreen, an smtpd has no port of its own.
my $BEHIND_POSTSCREEN = 'pass';
my $PORT_OF_POSTSCREEN = 25;

# The ports of processes that have died, by process ID.
my %port_of;

sub master_in { my ($queue_directory) = @_; return running('master', "$queue_directory/pid/master.pid") }

sub queue_manager_of {
    my ($master) = @_;
    return (grep { (content_of("/proc/$_/comm") // q{}) =~ /^o?qmgr$/x } children_of($master))[-1];
}

sub smtpd_died_since {
    my ($when, $queue_directory, @ports) = @_;
    my $master = master_in($queue_directory) // return 0;
    my (undef, $said) = run(journal($when, '--output=cat', "_PID=$master", '_UID=0'));
    my %has_died;
    while ($said =~ /$DIED/gx) {
        my $pid = $2;
        my $port = $port_of{$pid} //= _port_of($when, $queue_directory, $pid) // next;
        $has_died{$port} = 1;
    }
    return scalar grep { $has_died{$_} } @ports;
}

# The port of a service whose process has died: master gives the service's name and type on its command line. At its start, a
# process of Postfix is root's, then the mail owner's, who owns the queue. Anybody else may have got its number later.
sub _port_of {
    my ($when, $queue_directory, $pid) = @_;
    my $owner = (stat "$queue_directory/private")[4] // return;
    my @fields = ('--output=json', '--output-fields=_CMDLINE');
    my (undef, $said) = run(journal($when, @fields, "_PID=$pid", '_UID=0', "_UID=$owner"));
    my ($name, $type) = $said =~ /"_CMDLINE":"$BEGINNING/x or return;
    return $PORT_OF_POSTSCREEN if $type eq $BEHIND_POSTSCREEN;
    my $port = ($name // q{}) =~ s/.*://xr;
    return $port =~ /^\d+$/x ? $port : scalar getservbyname $port, 'tcp';
}

1;

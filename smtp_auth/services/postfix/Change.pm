package SmtpAuth::Postfix::Change;

# Postfix's part of a change; see SmtpAuth::Service. Its instructions, each as postfix.NAME:
#
#   config_directory, queue_directory
#   moving       a service of a port that is in one of the old and the new master.cf alone: `submissions/inet`
#   earlier      not empty if earlier files come back, of which Postfix may have complained then, too
#   wanted       a line that `postconf` must print of the new files
#   hostname     the name that mail programs connect to, and `chain`, the file with its certificate, or empty
#   restored     a certificate that is restored: the words of `unusable` in SmtpAuth::Postfix::Certificates, TAB between
#   sni_table    a table of tls_server_sni_maps in which `hostname` may be, before `chain` is served
#   prove        a conversation that proves the change: the words of SmtpAuth::Postfix::Proof without the time, TAB between
#   unserved     a port that is known not to serve before the change; else empty
#   prove_old    a conversation that Postfix led before, and leads again once the old files are back
#   proof        the program of SmtpAuth::Postfix::Proof

use strict;
use warnings;
use parent qw(SmtpAuth::Service);
use SmtpAuth::Files qw(content_of name_of);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Pem qw(first_certificate);
use SmtpAuth::Postfix::Certificates qw(unusable);
use SmtpAuth::Postfix::Master qw(master_in queue_manager_of smtpd_died_since);
use SmtpAuth::Processes qw(listening_sockets sockets_of);
use SmtpAuth::Programs qw(children_of now run wait_until);

my $SUBMISSIONS = 465;

# Seconds for a reload to take: before it is helped, and afterwards.
my $UNTIL_HELPED = 0.5;
my $PATIENCE = 20;

sub can_run { return 1 }

sub logs_as { return 'postfix' }

# Postfix finds its files in a directory by their names.
sub name_of_copy { my ($self, $file) = @_; return name_of($self->instructions->path_of($file)) }

sub running { my ($self) = @_; return master_in($self->one('queue_directory')) }

# -- the rehearsal ------------------------------------------------------------------------------------

sub before {
    my ($self) = @_;
    my (undef, $said) = run('postconf', '-x');
    $self->{complaints_before} = [$self->_complaints($self->one('config_directory'), $said)];
    return;
}

# `postconf` warns of all that `postfix check`, which calls it twenty times, warns of in these files. `postmap`,
# asked for nothing, refuses what every Postfix program refuses at its start.
sub refused {
    my ($self, $place, $in_place) = @_;
    # A reload onto a port that another program holds ends master.
    return "port $SUBMISSIONS is held by another program (ss -ltnp shows which): stop that first"
        if $self->_is_held_by_others($SUBMISSIONS);
    my @in = $in_place ? () : ('-c', $place);
    my ($status, $said) = run('postconf', @in, '-x');
    return $said if $status;
    my ($failed, $options) = run('postconf', @in, '-P');
    return $options if $failed;
    my %is_read = map { s/\s+$//xr => 1 } split /\n/x, "$said\n$options";
    my @misread = grep { !$is_read{$_} } $self->all('wanted');
    return "Postfix reads it in another way than meant; these are missing:\n" . join "\n", @misread if @misread;
    my ($fatal, $why) = run('postmap', @in, '-q', 'any', 'static:any');
    return $why if $fatal;
    my @unusable = map { unusable(split /\t/x, $_) } $self->all('restored');
    return join "\n", @unusable if @unusable;
    my $chain = $self->one('chain') // q{};
    return "the certificate in $chain has ended, or cannot be read"
        if length $chain && (run('openssl', 'x509', '-noout', '-checkend', '0', '-in', $chain))[0];
    my %is_known = map { $_ => 1 } @{ $self->{complaints_before} };
    my @new = grep { !$is_known{$_} } $self->_complaints($place, "$said\n$options");
    return join "\n", @new if @new && !$self->one('earlier');
    answer('warning', "Postfix accepts what comes back with a complaint: $_") for @new;
    return $self->_refused_by_sni(@in);
}

# What the tables of SNI have for the host's name wins over its certificate. smtpd looks for the name itself, then for
# each parent domain with a dot in front of it (server_sni_callback() in src/tls/tls_misc.c).
sub _refused_by_sni {
    my ($self, @in) = @_;
    my @tables = $self->all('sni_table');
    my ($name, $chain) = map { $self->one($_) } qw(hostname chain);
    return if !@tables || !length($chain // q{});
    for (my $key = $name; length $key; $key =~ s/^[.]?[^.]*//x) {
        # With its private key, which goes no further.
        my ($status, $pem) = run('postmap', @in, '-F', '-q', $key, @tables);
        next if $status;
        return if first_certificate($pem) eq first_certificate(content_of($chain) // q{});
        return "tls_server_sni_maps (@tables) gives clients that ask for $name another certificate than the one in "
            . "$chain: take $key out of it, or set certificate_name to the lineage that it names";
    }
    return;
}

# Warnings, without the paths and line numbers in which a copy differs from the live files. An unused parameter changes
# nothing: a macro of the owner's may have lost its last use.
sub _complaints {
    my ($self, $place, $said) = @_;
    my $live = $self->one('config_directory');
    my @lines = grep { /^\S*post\w+:[ ](?:warning|error|fatal)/x && !/:[ ]unused[ ]parameter:[ ]/x } split /\n/x, $said;
    my %complaints = map { s/\Q$place\E/$live/gxr =~ s/,[ ]line[ ]\d+:/:/xr => 1 } @lines;
    my @sorted = sort keys %complaints;
    return @sorted;
}

# Whether anybody but Postfix listens on a port.
sub _is_held_by_others {
    my ($self, $port) = @_;
    my $master = $self->running or return 0;
    my %port_of = listening_sockets();
    my %is_open = map { $_ => 1 } grep { $port_of{$_} == $port } keys %port_of;
    return %is_open && !grep { $is_open{$_} } sockets_of($master);
}

# -- the reload ---------------------------------------------------------------------------------------

sub reload {
    my ($self) = @_;
    # Not "start": Debian 12's postfix.service counts as active after its daemon has died.
    return $self->_by_systemd($self->running ? 'reload' : 'restart');
}

# When an smtpd dies at its start, master does not start that service again for a minute. A restart ends
# this wait, a reload does not.
sub bring_back {
    my ($self, $began) = @_;
    return $self->_by_systemd('restart') if smtpd_died_since($self->{asked} // $began);
    eval { $self->reload; 1 } or $self->_by_systemd('restart');
    return;
}

# A reload starts the queue manager anew. The command's own status proves nothing on Debian 12, where
# postfix.service only passes the reload on.
sub _by_systemd {
    my ($self, $verb) = @_;
    my $before = $self->_queue_manager // 0;
    my ($status) = run('systemctl', $verb, 'postfix');
    die "systemctl $verb postfix failed\n" if $status;
    my $is_new = sub { my $now = $self->_queue_manager; return $now && $now != $before };
    # The reload is also over if master has died of it.
    my $is_over = sub { $is_new->() || ($verb eq 'reload' && !$self->running) };
    return if wait_until($UNTIL_HELPED, $is_over) && $is_new->();
    $self->_end_those_without_a_service;
    wait_until($PATIENCE, $is_over);
    die "Postfix did not take the $verb\n" if !$is_new->();
    return;
}

sub _queue_manager {
    my ($self) = @_;
    my $master = $self->running or return;
    return queue_manager_of($master);
}

# A reload ends the processes of a service that was deleted from master.cf, and master waits for that (master(8)). The unit
# of Debian 13 does not give it the right to (CAP_KILL): processes that wait for master in turn then stay, and no mail
# moves any more. This program has that right.
sub _end_those_without_a_service {
    my ($self) = @_;
    my %is_moving = map { $_ => 1 } $self->all('moving');
    my $master = $self->running;
    return if !%is_moving || !$master;
    my (undef, $services) = run('postconf', '-M');
    my %is_there = map { join(q{/}, (split)[0, 1]) => 1 } split /\n/x, $services;
    for my $child (children_of($master)) {
        my %option = (content_of("/proc/$child/cmdline") // q{}) =~ /\0(-[nt])\0([^\0]*)/gx;
        my $service = join q{/}, map { $_ // q{} } @option{qw(-n -t)};
        kill TERM => $child if $is_moving{$service} && !$is_there{$service};
    }
    return;
}

# -- the proof ----------------------------------------------------------------------------------------

# Port 465, if the service there does not serve as it is. Port 25 serves: a look has seen to that. An smtpd that would die
# is not asked: master then starts no other one for a minute, whatever the new configuration is.
sub unserved {
    my ($self, $began) = @_;
    my $known = $self->one('unserved');
    return $known if length $known;
    my @asked = grep { _is_of_submissions($_) } $self->all('prove_old');
    my @unserved = grep { !$self->_serves($began, $_) } @asked;
    # What died before is not held against the new configuration.
    $self->{asked} = now();
    return @unserved ? $SUBMISSIONS : ();
}

sub _serves { my ($self, @how) = @_; return eval { $self->_lead(@how); 1 } }

sub prove {
    my ($self, $began) = @_;
    $self->_lead($self->{asked} // $began, $_) for $self->all('prove');
    return;
}

sub prove_old {
    my ($self, @unserved) = @_;
    return if eval { $self->_lead_old(@unserved); 1 };
    $self->_by_systemd('restart');
    return $self->_lead_old(@unserved);
}

sub _lead_old {
    my ($self, @unserved) = @_;
    # Log lines from before belong to the new version, which was taken back.
    my $since = now();
    my $is_unserved = grep { $_ == $SUBMISSIONS } @unserved;
    $self->_lead($since, $_) for grep { !$is_unserved || !_is_of_submissions($_) } $self->all('prove_old');
    return;
}

sub _is_of_submissions { my ($conversation) = @_; return (split /\t/x, $conversation)[1] == $SUBMISSIONS }

# Has a conversation; what died before a time is not asked about.
sub _lead {
    my ($self, $since, $conversation) = @_;
    my ($protocol, @how) = split /\t/x, $conversation, -1;
    return $self->converse($protocol, $since, @how);
}

1;

package SmtpAuth::Postfix::Change;

# Postfix's part of a change; see SmtpAuth::Service. Its instructions, each as postfix.NAME:
#
#   config_directory, queue_directory
#   moving       a service on a port that only the old or only the new master.cf has: `submissions/inet`
#   earlier      not empty if earlier files are restored: Postfix may have complained about them before, too
#   wanted       a line that `postconf` must print for the new files
#   hostname     the name that mail programs connect to, and `chain`, the file with its certificate, or empty
#   served       a file with a certificate that it serves
#   restored     a certificate that is restored: the arguments of `unusable` in SmtpAuth::Postfix::Certificates, separated by
#                TAB
#   sni_table    a table of tls_server_sni_maps; if it has `hostname`, Postfix serves that entry instead of `chain`
#   ciphers      a list of ciphers for TLSv1.2, separated by TAB: the kind of the server's key; the list, as OpenSSL reads it;
#                the sentence that refuses the host if it leaves none for that key
#   prove        a conversation that proves the change: the arguments of SmtpAuth::Postfix::Proof without the time, separated
#                by TAB
#   unserved     a port that is known to be broken before the change; else empty
#   prove_old    a conversation that worked before the change, and must work again after the old files are restored
#   proof        the program of SmtpAuth::Postfix::Proof

use strict;
use warnings;
use parent qw(SmtpAuth::Service);
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Pem qw(first_certificate);
use SmtpAuth::Postfix::Certificates qw(expired unusable);
use SmtpAuth::Postfix::Master qw(master_in queue_manager_of smtpd_died_since);
use SmtpAuth::Processes qw(listening sockets_of);
use SmtpAuth::Proved qw(state_of);
use SmtpAuth::Programs qw(children_of now run wait_until);

my $SUBMISSIONS = 465;

# Seconds that a reload may take: before this program helps it (_end_those_without_a_service), and after that.
my $UNTIL_HELPED = 0.5;
my $PATIENCE = 20;

sub can_run { return 1 }

sub logs_as { return 'postfix' }

# On Debian 12, the daemon is the second one.
sub units { return qw(postfix.service postfix@-.service) }

# With `-c DIRECTORY`, Postfix finds main.cf and master.cf by these names. On the host, they may be links to files with others.
sub name_of_copy { my ($self, $file) = @_; return $file =~ s/_cf$/.cf/xr }

sub present_state {
    my ($self) = @_;
    my @files = map { $self->instructions->path_of($_) } $self->instructions->files_of($self->key);
    return state_of($self->running // 0, @files, $self->all('served'));
}

sub running { my ($self) = @_; return master_in($self->one('queue_directory')) }

# -- the rehearsal ------------------------------------------------------------------------------------

sub before {
    my ($self) = @_;
    my (undef, $said) = run('postconf', '-x');
    $self->{complaints_before} = [$self->_complaints($self->one('config_directory'), $said)];
    return;
}

# For these files, `postconf` prints every warning that `postfix check` prints, which calls it twenty times. `postmap` with a
# lookup that does nothing fails for every error with which all Postfix programs refuse to start.
sub refused {
    my ($self, $place, $in_place) = @_;
    # If another program holds a new port, a reload makes master exit.
    return "port $SUBMISSIONS is held by another program (ss -ltnp shows which): stop that program first"
        if $self->_is_held_by_others($SUBMISSIONS);
    my @in = $in_place ? () : ('-c', $place);
    my ($status, $said) = run('postconf', @in, '-x');
    return $said if $status;
    my ($failed, $options) = run('postconf', @in, '-P');
    return $options if $failed;
    my %is_read = map { s/\s+$//xr => 1 } split /\n/x, "$said\n$options";
    my @misread = grep { !$is_read{$_} } $self->all('wanted');
    return "postconf does not print these lines for the new files, but should:\n" . join "\n", @misread if @misread;
    my ($fatal, $why) = run('postmap', @in, '-q', 'any', 'static:any');
    return $why if $fatal;
    my @unusable = map { unusable(split /\t/x, $_) } $self->all('restored');
    return join "\n", @unusable if @unusable;
    # The certificate of a deploy is judged from the look.
    my $chain = $self->one('earlier') ? $self->one('chain') // q{} : q{};
    my ($why_expired) = length $chain ? expired($chain) : ();
    return $why_expired if defined $why_expired;
    my @keyless = map { _without_ciphers(split /\t/x) } $self->all('ciphers');
    return join "\n", @keyless if @keyless;
    my %is_known = map { $_ => 1 } @{ $self->{complaints_before} };
    my @new = grep { !$is_known{$_} } $self->_complaints($place, "$said\n$options");
    return join "\n", @new if @new && !$self->one('earlier');
    answer('warning', "Postfix accepts the restored configuration, but complains: $_") for @new;
    return $self->_refused_by_sni(@in);
}

# The sentence, if a list of ciphers leaves none with which a server with such a key could answer.
sub _without_ciphers {
    my ($kind, $list, $sentence) = @_;
    my ($status, $said) = run(qw(openssl ciphers -v -s -tls1_2), $list);
    return !$status && $said =~ /[ ]Au=$kind[ ]/x ? () : $sentence;
}

# An entry of the SNI tables for the host's name overrides its certificate. smtpd looks up the name itself, then each parent
# domain with a dot before it (server_sni_callback() in src/tls/tls_misc.c).
sub _refused_by_sni {
    my ($self, @in) = @_;
    my @tables = $self->all('sni_table');
    my ($name, $chain) = map { $self->one($_) } qw(hostname chain);
    return if !@tables || !length($chain // q{});
    for (my $key = $name; length $key; $key =~ s/^[.]?[^.]*//x) {
        # The output contains the private key, too; it stays in this process.
        my ($status, $pem) = run('postmap', @in, '-F', '-q', $key, @tables);
        # If the table has no such entry, it prints at most a warning.
        return "tls_server_sni_maps (@tables) cannot be read: $pem" if $status && $pem =~ /:[ ](?:fatal|error):[ ]/x;
        next if $status;
        return if first_certificate($pem) eq first_certificate(content_of($chain) // q{});
        return "tls_server_sni_maps (@tables) gives clients that ask for $name another certificate than the one in "
            . "$chain: delete $key from that table, or set certificate_name to the lineage that the table names";
    }
    return;
}

# The warnings, without what differs between a copy and the live files: paths and line numbers. Warnings of unused parameters
# are left out: such a parameter has no effect, and the change may have deleted the last use of an owner's macro.
sub _complaints {
    my ($self, $place, $said) = @_;
    my $live = $self->one('config_directory');
    my @lines = grep { /^\S*post\w+:[ ](?:warning|error|fatal)/x && !/:[ ]unused[ ]parameter:[ ]/x } split /\n/x, $said;
    my %complaints = map { s/\Q$place\E/$live/gxr =~ s/,[ ]line[ ]\d+:/:/xr => 1 } @lines;
    my @sorted = sort keys %complaints;
    return @sorted;
}

# Whether a program other than Postfix listens on a port.
sub _is_held_by_others {
    my ($self, $port) = @_;
    my $master = $self->running or return 0;
    my %is_open = map { $_->{socket} => 1 } grep { $_->{port} == $port } listening();
    return %is_open && !grep { $is_open{$_} } sockets_of($master);
}

# -- the reload ---------------------------------------------------------------------------------------

sub reload {
    my ($self) = @_;
    # Not "start": Debian 12's postfix.service counts as active after its daemon has died.
    return $self->_by_systemd($self->running ? 'reload' : 'restart');
}

# If an smtpd dies when it starts, master does not start that service again for a minute. A restart ends this wait, a reload
# does not.
sub bring_back {
    my ($self, $began) = @_;
    my @ports = map { /(?:^|\t)port=(\d+)/x } $self->all('prove'), $self->all('prove_old');
    my $is_waiting = smtpd_died_since($self->{asked} // $began, $self->one('queue_directory'), @ports);
    return $self->_by_systemd('restart') if $is_waiting;
    eval { $self->reload; 1 } or $self->_by_systemd('restart');
    return;
}

# A reload restarts the queue manager, so a new one shows that the reload is done. The exit status of systemctl proves nothing
# on Debian 12, where postfix.service only forwards the reload to another unit.
sub _by_systemd {
    my ($self, $verb) = @_;
    my $before = $self->_queue_manager // 0;
    my ($status) = run('systemctl', $verb, 'postfix');
    die "systemctl $verb postfix failed\n" if $status;
    my $is_new = sub { my $now = $self->_queue_manager; return $now && $now != $before };
    # Do not wait any longer if master has died during the reload.
    my $is_over = sub { $is_new->() || ($verb eq 'reload' && !$self->running) };
    return if wait_until($UNTIL_HELPED, $is_over) && $is_new->();
    $self->_end_those_without_a_service;
    wait_until($PATIENCE, $is_over);
    die "Postfix did not complete the $verb\n" if !$is_new->();
    return;
}

sub _queue_manager {
    my ($self) = @_;
    my $master = $self->running or return;
    return queue_manager_of($master);
}

# In a reload, master kills the processes of a service that was deleted from master.cf, and waits until they have exited
# (master(8)). On Debian 13, its unit does not allow that (no CAP_KILL): processes that wait for master then stay, master
# waits for them, and no mail is delivered. This program may kill them.
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

# Port 465, if the service there is broken before the change. Port 25 is not checked: it is in `prove_old` only if the look
# found it open. An smtpd that is known to die is not tried: master would then start no other one for a minute, even with the
# new configuration.
sub unserved {
    my ($self, $began) = @_;
    my $known = $self->one('unserved');
    return $known if length $known;
    my @asked = grep { _is_of_submissions($_) } $self->all('prove_old');
    my @unserved = grep { !$self->_serves($began, $_) } @asked;
    # The proofs of the new configuration ignore smtpd crashes up to now.
    $self->{asked} = now();
    return @unserved ? $SUBMISSIONS : ();
}

sub _serves { my ($self, @how) = @_; return eval { $self->_lead(@how); 1 } }

sub prove {
    my ($self, $began) = @_;
    return $self->_lead($self->{asked} // $began, $self->all('prove'));
}

sub prove_old {
    my ($self, @unserved) = @_;
    my @proved;
    return @proved if eval { @proved = $self->_lead_old(@unserved); 1 };
    $self->_by_systemd('restart');
    return $self->_lead_old(@unserved);
}

sub _lead_old {
    my ($self, @unserved) = @_;
    # Earlier log lines are about the new version, which is not live any more.
    my $since = now();
    my $is_unserved = grep { $_ == $SUBMISSIONS } @unserved;
    return $self->_lead($since, grep { !$is_unserved || !_is_of_submissions($_) } $self->all('prove_old'));
}

sub _is_of_submissions { my ($conversation) = @_; return scalar grep { $_ eq "port=$SUBMISSIONS" } split /\t/x, $conversation }

# Has conversations, one after another, and ignores smtpd crashes from before a time.
sub _lead {
    my ($self, $since, @conversations) = @_;
    my $queue = $self->one('queue_directory');
    my @words = map { (q{--}, "since=$since", "queue=$queue", split /\t/x) } @conversations;
    shift @words;
    return @words ? $self->converse(@words) : ();
}

1;

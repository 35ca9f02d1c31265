package SmtpAuth::Dovecot::Change;

# Dovecot's part of a change; see SmtpAuth::Service. Its instructions, each as dovecot.NAME:
#
#   directory    the directory of dovecot.conf
#   dropin       the key of the drop-in
#   socket       the auth listener's path
#   listener     "MODE USER GROUP" that the listener must have, the mode in octal without a leading 0, and `-` for a user or group
#                that Dovecot's configuration does not set; empty: it is deleted
#   had_socket   not empty if the listener existed before
#   proof        the program of SmtpAuth::Dovecot::Proof

use strict;
use warnings;
use parent qw(SmtpAuth::Service);
use IO::Socket::UNIX;
use SmtpAuth::Dovecot::Listener;
use SmtpAuth::Dovecot::Master qw(configuration_in master);
use SmtpAuth::Files qw(content_of group_name user_name);
use SmtpAuth::Programs qw(run wait_until);
use SmtpAuth::Proved qw(state_of);
use SmtpAuth::Writing qw(create);

my $PERMISSIONS = oct '7777';

# Seconds that a reload or start may take.
my $PATIENCE = 20;

# What is proved, for people.
my $IT_RUNS = 'Dovecot: it runs';
my $NO_SOCKET = 'Dovecot: it runs, without a socket for Postfix';

sub can_run { return 1 }

sub logs_as { return 'dovecot' }

sub units { return qw(dovecot.service dovecot.socket) }

sub running { return master() }

sub present_state { my ($self) = @_; return state_of(master() // 0, configuration_in($self->one('directory'))) }

sub refused {
    my ($self, $place, $in_place) = @_;
    my @in = $in_place ? () : ('-c', $self->_with_copies($place));
    my ($status, $said) = run('doveconf', @in, '-n');
    return $said if $status;
    my ($socket, $wanted) = map { $self->one($_) } qw(socket listener);
    return if !length $wanted;
    my $path = $self->instructions->path_of($self->one('dropin'));
    my $effective = 'its effective configuration (doveconf -n)';
    my $listener = SmtpAuth::Dovecot::Listener->new($said, $socket);
    my ($block, @more) = $listener->blocks;
    return "$effective has no listener $socket: dovecot.conf does not include $path" if !$block;
    my $main = $self->one('directory') . '/dovecot.conf';
    return "$effective has several listeners for the socket $socket, and Dovecot does not start with them; delete all but one"
        . _list($listener->beginnings($main))
        if @more;
    my $effectively = join q{ }, $block->{mode}, map { length ? $_ : q{-} } @{$block}{qw(user group)};
    return if $effectively eq $wanted;
    # Copies of the files are always included.
    return "dovecot.conf does not include $path, and $effective has the listener $socket with $effectively instead of $wanted: "
        . 'correct it'
        . _list($listener->beginnings($main))
        if $in_place && !$listener->is_read_from($path, $main);
    return "a setting that Dovecot reads after $path overrules it: $effective has the listener $socket with $effectively "
        . "instead of $wanted; delete that setting"
        . _list($listener->overruling($path, $main));
}

# Places, in parentheses after the word for them.
sub _list { my @places = @_; return @places ? ' (' . join(', ', @places) . ')' : q{} }

# A file that includes the live configuration and then the new file. Dovecot 2.4 requires its version in the first line.
sub _with_copies {
    my ($self, $place) = @_;
    my $main = $self->one('directory') . '/dovecot.conf';
    my ($version) = (content_of($main) // q{}) =~ /^(dovecot_config_version.*\n)/xm;
    my $dropin = "$place/" . $self->name_of_copy($self->one('dropin'));
    my @included = ($main, -e $dropin ? $dropin : ());
    create("$place/dovecot.conf", join q{}, $version // q{}, map { "!include $_\n" } @included);
    return "$place/dovecot.conf";
}

sub reload {
    my ($self) = @_;
    return _by_systemd($self->running ? 'reload' : 'restart');
}

sub bring_back {
    my ($self) = @_;
    eval { $self->reload; 1 } or _by_systemd('restart');
    return;
}

sub _by_systemd {
    my ($verb) = @_;
    my ($status) = run('systemctl', $verb, 'dovecot');
    die "systemctl $verb dovecot failed\n" if $status;
    return;
}

sub prove {
    my ($self) = @_;
    my ($socket, $wanted) = map { $self->one($_) } qw(socket listener);
    return $self->_prove_without_listener if !length $wanted;
    # Stop waiting if Dovecot has died.
    wait_until($PATIENCE, sub { $self->_has_listener($wanted) || !$self->running });
    return $self->converse($socket) if $self->_has_listener($wanted);
    my $listener = $self->_listener;
    die "the socket $socket must have $wanted, and this is found: $listener\n";
}

# Dovecot deletes the listener, unless the owner has configured one with the same path. After a power failure, the socket
# may still exist, but no process listens on it.
sub _prove_without_listener {
    my ($self) = @_;
    my $socket = $self->one('socket');
    my (undef, $effective) = run('doveconf', '-n');
    my $stays = SmtpAuth::Dovecot::Listener->new($effective, $socket)->blocks;
    my $is_over = sub { $stays || !IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket) };
    wait_until($PATIENCE, sub { $is_over->() || !$self->running });
    $self->running or die "Dovecot does not run\n";
    $is_over->() or die "Dovecot still listens on $socket: the reload had no effect\n";
    return $stays ? $IT_RUNS : $NO_SOCKET;
}

sub prove_old {
    my ($self) = @_;
    wait_until($PATIENCE, sub { $self->running }) or die "Dovecot does not run\n";
    return $self->one('had_socket') ? $self->converse($self->one('socket')) : $IT_RUNS;
}

sub replaces {
    my ($self) = @_;
    my ($dropin, $wanted, $socket) = map { $self->one($_) } qw(dropin listener socket);
    return if !$self->is_reloaded || !defined $dropin;
    return if !$self->instructions->is_changed($dropin) && $self->_has_listener($wanted);
    return $socket;
}

sub _has_listener {
    my ($self, $wanted) = @_;
    my @found = split q{ }, $self->_listener;
    my @wanted = split q{ }, $wanted;
    return @found == @wanted && !grep { $wanted[$_] ne q{-} && $wanted[$_] ne $found[$_] } 0 .. $#wanted;
}

# "MODE USER GROUP" of the existing listener, or the error if it cannot be read.
sub _listener {
    my ($self) = @_;
    my (undef, undef, $mode, undef, $uid, $gid) = stat $self->one('socket') or return "$!";
    return sprintf '%o %s %s', $mode & $PERMISSIONS, user_name($uid), group_name($gid);
}

1;

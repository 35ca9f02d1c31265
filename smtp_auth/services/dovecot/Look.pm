package SmtpAuth::Dovecot::Look;

# The state of Dovecot on a host, for SmtpAuth::Look, which documents the methods.
#
# Its argument:
#   listener=PATH      the listener that Postfix asks, relative to Postfix's queue directory
#   file=…             that of the drop-in
#
# It prints
#   command                   doveconf, if it is in the PATH
#   dovecot_version           such as 2.4.1; this and the next only if doveconf can read the configuration
#   dovecot_auth              the block `service auth` of the effective configuration, if it is not the default
#   dovecot_mechanism …       a SASL mechanism that it offers, in lower case
#   listener.path             the path that the listener has or would have
#   listener.name …           the names of the listeners that are this socket, if these are not its path alone
#   listener.place …          FILE:LINE of the settings that overrule the drop-in; or, if the listener has several names, of each
#                             beginning of its definitions
#   listener.other …          the accounts that may use it by its group, in addition to its user and root
#   socket.mode, .user, .group   of the socket there, if it exists
#   dovecot_running           1; this and the next only if Dovecot runs
#   dovecot_unit              the systemd unit in which it runs; empty if that is unknown

use strict;
use warnings;
use SmtpAuth::Dovecot::Listener;
use SmtpAuth::Dovecot::Master qw(configuration_in master);
use SmtpAuth::Files qw(group_name permissions user_name);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Processes qw(unit_of);
use SmtpAuth::Programs qw(found output_of);
use SmtpAuth::Proved qw(state_of);

my $FOR_GROUP = oct '20';

sub key { return 'dovecot' }

sub new {
    my ($class, $asked) = @_;
    my $said = found('doveconf') ? output_of('doveconf', '-n') : q{};
    my ($version, $directory) = _version_in($said);
    my ($auth) = $said =~ /^(service[ ]auth[ ]\{\n.*?^\}\n)/xms;
    my ($dropin) = map { /^\w+=dovecot=(.*)/xs ? $1 : () } @{ $asked->{file} };
    return bless {
        said      => $said,
        dropin    => $dropin,
        version   => $version,
        mechanisms => [_mechanisms($said)],
        directory => $directory // '/etc/dovecot',
        auth      => $auth,
        listener  => $asked->{listener},
    }, $class;
}

# The version, and the directory of dovecot.conf.
sub _version_in { my ($said) = @_; return $said =~ m{^\#[ ]([\d.]++)\S*+[ ].*?:[ ](\S+)/[^/\s]+$}xm }

# From 2.4 on, the list may be a block.
sub _mechanisms {
    my ($said) = @_;
    my ($block) = $said =~ /^auth_mechanisms[ ][{]\n(.*?)^[}]/xms;
    return map { lc } $block =~ /^[ ]*(\S+)[ ]=[ ]yes$/gxm if defined $block;
    my ($list) = $said =~ /^auth_mechanisms[ ]=[ ](.*)$/xm;
    # The default, which doveconf does not print.
    return map { lc } split q{ }, $list // 'plain';
}

sub directory { my ($self) = @_; return "$self->{directory}/conf.d" }

sub describe {
    my ($self, $look) = @_;
    answer('command', 'doveconf') if found('doveconf');
    answer('dovecot_version', $self->{version}) if defined $self->{version};
    answer('dovecot_auth', $self->{auth}) if defined $self->{auth};
    for my $mechanism (@{ $self->{mechanisms} }) {
        answer('dovecot_mechanism', $mechanism);
    }
    my $listener = $look->service('postfix')->queue_directory . "/$self->{listener}";
    answer('listener.path', $listener);
    $self->_describe_listener($listener);
    if (-S $listener) {
        my @stat = stat $listener;
        answer('socket.mode', permissions($stat[2]));
        answer('socket.user', user_name($stat[4]));
        answer('socket.group', group_name($stat[5]));
    }
    my $master = master() // return;
    answer('dovecot_running', 1);
    answer('dovecot_unit', unit_of($master));
    $look->compare_with_proved(key(), state_of($master, configuration_in($self->{directory})));
    return;
}

sub _describe_listener {
    my ($self, $path) = @_;
    my $listener = SmtpAuth::Dovecot::Listener->new($self->{said}, $path);
    my ($block, @more) = $listener->blocks or return;
    for my $name (map { $_->{name} } @more || $block->{name} ne $path ? ($block, @more) : ()) {
        answer('listener.name', $name);
    }
    my $main = "$self->{directory}/dovecot.conf";
    my $dropin = $self->directory . "/$self->{dropin}";
    for my $place (@more ? $listener->beginnings($main) : -e $dropin ? $listener->overruling($dropin, $main) : ()) {
        answer('listener.place', $place);
    }
    for my $account (oct $block->{mode} & $FOR_GROUP ? _others_in($block->{group}, $block->{user}) : ()) {
        answer('listener.other', $account);
    }
    return;
}

# The members of a group, and the accounts of which it is the primary one.
sub _others_in {
    my ($group, $user) = @_;
    my (undef, undef, $id, $members) = getgrnam $group or return;
    my %is_other = map { $_ => 1 } split q{ }, $members;
    while (my ($name, undef, undef, $primary) = getpwent) {
        $is_other{$name} = 1 if $primary == $id;
    }
    endpwent;
    delete @is_other{$user, 'root'};
    my @others = sort keys %is_other;
    return @others;
}

1;

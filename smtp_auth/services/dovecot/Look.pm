package SmtpAuth::Dovecot::Look;

# The state of Dovecot on a host, for SmtpAuth::Look, which documents the methods.
#
# Its argument:
#   listener=PATH      the listener that Postfix asks, relative to Postfix's queue directory
#
# It prints
#   command                   doveconf, if it is in the PATH
#   dovecot_version           such as 2.4.1; this and the next only if doveconf can read the configuration
#   dovecot_auth              the block `service auth` of the effective configuration, if it is not the default
#   dovecot_mechanism …       a SASL mechanism that it offers, in lower case
#   listener.path             the path that the listener has or would have
#   socket.mode, .user, .group   of the socket there, if it exists
#   dovecot_running           1; this and the next only if Dovecot runs
#   dovecot_unit              the systemd unit in which it runs; empty if that is unknown

use strict;
use warnings;
use SmtpAuth::Dovecot::Master qw(configuration_in master);
use SmtpAuth::Files qw(group_name permissions user_name);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Processes qw(unit_of);
use SmtpAuth::Programs qw(found output_of);
use SmtpAuth::Proved qw(state_of);

sub key { return 'dovecot' }

sub new {
    my ($class, $asked) = @_;
    my $said = found('doveconf') ? output_of('doveconf', '-n') : q{};
    my ($version, $directory) = $said =~ m{^\#[ ]([\d.]+)\S*[ ].*?:[ ](\S+)/[^/\s]+$}xm;
    my ($auth) = $said =~ /^(service[ ]auth[ ]\{\n.*?^\}\n)/xms;
    return bless {
        version   => $version,
        mechanisms => [_mechanisms($said)],
        directory => $directory // '/etc/dovecot',
        auth      => $auth,
        listener  => $asked->{listener},
    }, $class;
}

# From 2.4 on, doveconf prints the list as a block.
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

1;

package SmtpAuth::Dovecot::Look;

# What Dovecot is on a host, for SmtpAuth::Look, which says what its methods are for.
#
# Asked for with the word
#   listener=PATH      the listener that Postfix asks, below Postfix's queue directory
#
# It prints
#   command                   doveconf, where it is in the PATH
#   dovecot_version           such as 2.4.1; neither this nor the next where doveconf cannot read the configuration
#   dovecot_auth              the block `service auth` of the effective configuration, where it is not the default
#   listener.path             where the listener is or would be
#   socket.mode, .user, .group   of the socket there, if there is one
#   dovecot_running           1 where it runs; this and the next only then
#   dovecot_unit              the unit of systemd's in which it runs; empty where that cannot be told

use strict;
use warnings;
use SmtpAuth::Dovecot::Master qw(master);
use SmtpAuth::Files qw(group_name permissions user_name);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Processes qw(unit_of);
use SmtpAuth::Programs qw(found output_of);

sub key { return 'dovecot' }

sub new {
    my ($class, $asked) = @_;
    my $said = found('doveconf') ? output_of('doveconf', '-n') : q{};
    my ($version, $directory) = $said =~ m{^\#[ ]([\d.]+)\S*[ ].*?:[ ](\S+)/[^/\s]+$}xm;
    my ($auth) = $said =~ /^(service[ ]auth[ ]\{\n.*?^\}\n)/xms;
    return bless {
        version   => $version,
        directory => $directory // '/etc/dovecot',
        auth      => $auth,
        listener  => $asked->{listener},
    }, $class;
}

sub directory { my ($self) = @_; return "$self->{directory}/conf.d" }

sub describe {
    my ($self, $look) = @_;
    answer('command', 'doveconf') if found('doveconf');
    answer('dovecot_version', $self->{version}) if defined $self->{version};
    answer('dovecot_auth', $self->{auth}) if defined $self->{auth};
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
    return;
}

1;

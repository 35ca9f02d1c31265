package SmtpAuth::Postfix::Look;

# The state of Postfix on a host, for SmtpAuth::Look, which documents the methods. It has one more:
#   queue_directory    Postfix's spool
#
# Its arguments:
#   parameter=NAME …          a parameter whose effective value is wanted
#
# It prints
#   command                   postconf, if it is in the PATH
#   parameter.NAME            the effective value of each wanted parameter that this Postfix knows; nothing if postconf cannot
#                             read the configuration
#   stale_table …             KIND:PATH of a table of tls_server_sni_maps that is older than a file that it contains a copy of
#   cyrus_sasl                1 if Cyrus SASL has a configuration for Postfix's smtpd
#   postfix_reloaded          when it last read its configuration, in seconds since 1970; this and those below only if it runs
#   postfix_unit              the systemd unit in which it runs; empty if that is unknown
#   postfix_listening …       PORT ADDRESS of each socket on which it listens

use strict;
use warnings;
use SmtpAuth::Files qw(content_of);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Postfix::Master qw(master_in queue_manager_of);
use SmtpAuth::Processes qw(sockets_of started unit_of);
use SmtpAuth::Programs qw(found output_of);
use SmtpAuth::Proved qw(state_of);

# The suffix of an indexed table, by its kind.
my %SUFFIX = (hash => 'db', btree => 'db', lmdb => 'lmdb', cdb => 'cdb');

sub key { return 'postfix' }

sub new {
    my ($class, $asked) = @_;
    my @said = found('postconf') ? split /\n/x, output_of('postconf', '-x', @{ $asked->{parameter} }) : ();
    my @parameters = map { /^(\w+)[ ]=\s*(.*)$/x ? [$1, $2] : () } @said;
    my %value = (
        config_directory => '/etc/postfix',
        queue_directory  => '/var/spool/postfix',
        map { @{$_} } @parameters,
    );
    return bless {parameters => \@parameters, value => \%value, certificates => $asked->{certificate}}, $class;
}

sub directory { my ($self) = @_; return $self->{value}{config_directory} }

sub queue_directory { my ($self) = @_; return $self->{value}{queue_directory} }

sub describe {
    my ($self, $look) = @_;
    answer('command', 'postconf') if found('postconf');
    for my $parameter (@{ $self->{parameters} }) {
        my ($name, $value) = @{$parameter};
        answer("parameter.$name", $value);
    }
    for my $table ($self->_stale_tables) {
        answer('stale_table', $table);
    }
    answer('cyrus_sasl', 1) if $self->_has_cyrus;
    my $master = master_in($self->queue_directory) // return;
    # A reload restarts the queue manager, so that this process started at the last reload.
    my $reloaded = started(queue_manager_of($master) // $master);
    answer('postfix_reloaded', $reloaded) if defined $reloaded;
    answer('postfix_unit', unit_of($master));
    my @served = map { /=(.*)/x ? "$1/fullchain.pem" : () } @{ $self->{certificates} };
    $look->compare_with_proved(key(), state_of($master, $look->files_of(key()), @served));
    my %is_held = map { $_ => 1 } sockets_of($master);
    for my $socket (grep { $is_held{ $_->{socket} } } $look->sockets) {
        answer('postfix_listening', "$socket->{port} $socket->{address}");
    }
    return;
}

# Where Cyrus SASL looks for its configuration (postconf(5), cyrus_sasl_config_path): in Debian's Postfix, in its library.
sub _has_cyrus {
    my ($self) = @_;
    my @directories = split /:/x, $self->{value}{cyrus_sasl_config_path} // q{};
    push @directories, $self->directory . '/sasl', '/etc/sasl2', '/usr/lib/sasl2', glob '/usr/lib/*/sasl2';
    return scalar grep { -e "$_/smtpd.conf" } @directories;
}

# An owner's indexed table contains copies of the files that its source names (postmap -F).
sub _stale_tables {
    my ($self) = @_;
    my $tables = $self->{value}{tls_server_sni_maps} // q{};
    my @indexed = $tables =~ m{\b((?:hash|btree|lmdb|cdb):/[^\s,\{\}]+)}gx;
    return grep { _is_stale(split /:/x, $_, 2) } @indexed;
}

sub _is_stale {
    my ($kind, $path) = @_;
    my $source = content_of($path) // return 0;
    my $made = _modified("$path.$SUFFIX{$kind}") // return 0;
    my @files = map { split q{ } } $source =~ /^[^\#\s]\S*\s+(.*)/gxm;
    return scalar grep { (_modified($_) // 0) > $made } @files;
}

sub _modified { my ($path) = @_; return (stat $path)[9] }

1;

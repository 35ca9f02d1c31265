package SmtpAuth::Postfix::Look;

# The state of Postfix on a host, for SmtpAuth::Look, which documents the methods. It has one more:
#   queue_directory    Postfix's spool
#
# Its arguments:
#   parameter=NAME …          a parameter whose effective value is wanted
#   live=DIR                  the directory of the certificates' lineages
#
# It prints
#   command                   postconf, if it is in the PATH
#   parameter.NAME            the effective value of each wanted parameter that this Postfix knows; nothing if postconf cannot
#                             read the configuration
#   sni_table …               KIND:PATH of an indexed table of tls_server_sni_maps, in main.cf or in an option of a service, that
#                             contains copies of files of a lineage
#   stale_table …             KIND:PATH of such a table, with copies of any files, that is older than one of these files
#   cyrus_sasl                1 if Cyrus SASL has a configuration for Postfix's smtpd
#   postfix_reloaded          when it last read its configuration, in seconds since 1970; this and those below only if it runs
#   postfix_unit              the systemd unit in which it runs; empty if that is unknown
#   postfix_listening …       PORT ADDRESS of each socket on which it listens

use strict;
use warnings;
use SmtpAuth::Files qw(content_of entries identity_of);
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
    my %self = (parameters => \@parameters, value => \%value, live => $asked->{live}, certificates => $asked->{certificate});
    return bless \%self, $class;
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
    $self->_describe_tables;
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
sub _describe_tables {
    my ($self) = @_;
    for my $table ($self->_indexed_tables) {
        my ($kind, $path) = split /:/x, $table, 2;
        my $source = content_of($path) // next;
        my $made = _modified("$path.$SUFFIX{$kind}") // next;
        my @files = _files_in($source);
        answer('sni_table', $table) if grep { $self->_is_of_a_lineage($_) } @files;
        answer('stale_table', $table) if grep { (_modified($_) // 0) > $made } @files;
    }
    return;
}

sub _indexed_tables {
    my ($self) = @_;
    my $master = content_of($self->directory . '/master.cf') // q{};
    my @values = ($self->{value}{tls_server_sni_maps} // q{});
    push @values, output_of('postconf', '-Px', '*/*/tls_server_sni_maps') if $master =~ /tls_server_sni_maps/x;
    my %is_listed;
    return grep { !$is_listed{$_}++ } map { m{\b((?:hash|btree|lmdb|cdb):/[^\s,\{\}]+)}gx } @values;
}

# The files that the source of a table names, as Postfix reads its lines.
sub _files_in {
    my ($source) = @_;
    $source =~ s/^\s*(?:\#.*)?\n//gxm;
    $source =~ s/\n\s+/ /gx;
    return map { split /[\s,]+/x } $source =~ /^\S+\s+(.*)/gxm;
}

sub _is_of_a_lineage {
    my ($self, $path) = @_;
    $self->{of_lineages} //= {
        map { $_ => 1 }
        grep { defined } map { identity_of($_) } map { _certificates_in("$self->{live}/$_") } entries($self->{live})
    };
    my $identity = identity_of($path) // return 0;
    return $self->{of_lineages}{$identity};
}

sub _certificates_in { my ($directory) = @_; return map { "$directory/$_" } grep { /[.]pem$/x } entries($directory) }

sub _modified { my ($path) = @_; return (stat $path)[9] }

1;

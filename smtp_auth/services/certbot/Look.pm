package SmtpAuth::Certbot::Look;

# What certbot has on a host, for SmtpAuth::Look, which documents the methods. Of a private key, only the public half is
# printed.
#
# Its arguments:
#   live=DIR                    the directory of the lineages
#   hostname=NAME               the name that mail programs connect to
#   certificate=DOMAIN=DIR …    a domain and the directory of its lineage, that of the mail domain first
#
# It prints
#   command …                        certbot and openssl, if they are in the PATH
#   is_certbots                      1 if the directory of the lineages is one of certbot's: certbot runs the hooks beside it
#   without_hooks                    the file with certbot's options, if it tells certbot to run no hooks of directories
#   lineage …                        the name of each lineage that holds a certificate
#   certificate.DOMAIN.directory     for each domain in the arguments
#   certificate.DOMAIN.chain         its fullchain.pem; this and the next three only if that file can be read
#   certificate.DOMAIN.key           the public half of its key in PEM; empty if openssl cannot read the key
#   certificate.DOMAIN.unread        which of both files is not read, and why, in words; then without the lines around this one
#   certificate.DOMAIN.changed       when the chain or the key last changed
#   certificate.DOMAIN.renewal       certbot's configuration of its renewals; nothing if certbot does not renew it
#   covering.NUMBER.directory        each other lineage that covers the host's name; only if the mail domain's does not
#   covering.NUMBER.chain            its certificate, without those of authorities

use strict;
use warnings;
use Cwd ();
use SmtpAuth::Files qw(content_of directory_of entries is_same name_of name_of_handle);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Pem qw(first_certificate leaf_of);
use SmtpAuth::Programs qw(found output_within);
use SmtpAuth::Ways qw(way_to);

# The longest chain in use has 20 KiB.
my $MOST_BYTES = 1024 * 1024;

# Seconds for a key. Whoever writes it decides how often openssl derives a key from the empty passphrase: two thousand million
# times take a quarter of an hour and more.
my $PATIENCE = 10;

# How far below accounts/ an account may be: certbot has it three or four directories below.
my $DEEPEST = 6;

# Where certbot has its configuration by default.
my $DEFAULT = '/etc/letsencrypt';

# Where certbot reads options of all its commands, wherever it has its configuration.
my @OPTIONS = ("$DEFAULT/cli.ini", (getpwuid 0)[7] . '/.config/letsencrypt/cli.ini');

sub key { return 'certbot' }

sub new {
    my ($class, $asked) = @_;
    my $live = $asked->{live};
    my @paths = ($live, Cwd::abs_path($live) // (), is_same($live, "$DEFAULT/live") ? "$DEFAULT/live" : ());
    my ($certbots) = grep { _is_certbots($_) } @paths;
    return bless {
        live         => $live,
        is_certbots  => defined $certbots,
        directory    => directory_of($certbots // $live),
        hostname     => $asked->{hostname},
        certificates => [map { _certificate(split /=/x, $_, 2) } @{ $asked->{certificate} }],
    }, $class;
}

sub _certificate { my ($domain, $directory) = @_; return {domain => $domain, directory => $directory} }

# Other clients have accounts beside their certificates, too; only certbot's have a regr.json.
sub _is_certbots {
    my ($live) = @_;
    my $directory = directory_of($live);
    return 0 if name_of($live) ne 'live';
    return 1 if $directory eq $DEFAULT || grep { /[.]conf$/x } entries("$directory/renewal");
    return _has_account("$directory/accounts", $DEEPEST);
}

# Below accounts/, there is a directory for each part of an authority's address. Somebody else's links could lead in circles.
sub _has_account {
    my ($directory, $depth) = @_;
    return 0 if -l $directory || !-d $directory;
    return 1 if -e "$directory/regr.json";
    return $depth > 0 && grep { _has_account("$directory/$_", $depth - 1) } entries($directory);
}

sub directory { my ($self) = @_; return "$self->{directory}/renewal-hooks/deploy" }

sub describe {
    my ($self, $look) = @_;
    for my $command (grep { found($_) } qw(certbot openssl)) {
        answer('command', $command);
    }
    answer('is_certbots', 1) if $self->{is_certbots};
    for my $file (grep { _has_no_hooks($_) } @OPTIONS) {
        answer('without_hooks', $file);
    }
    my @lineages = grep { !/^[.]/x && -e "$self->{live}/$_/fullchain.pem" } entries($self->{live});
    for my $name (@lineages) {
        answer('lineage', $name);
    }
    for my $certificate (@{ $self->{certificates} }) {
        $self->_describe_certificate($look, $certificate->{domain}, $certificate->{directory});
    }
    $self->_describe_covering(map { "$self->{live}/$_" } @lineages);
    return;
}

# The last line counts. With underscores, certbot refuses to run at all.
sub _has_no_hooks {
    my ($file) = @_;
    my @values =
        map { /^\s*(?:--)?no[-_]directory[-_]hooks(?:[\s:=]+["']?(\w*)|$)/x ? lc($1 // q{}) : () } _lines_of($file);
    return @values && $values[-1] =~ /^(?:|true|yes|on|1)$/x;
}

# Line by line: `^\s*` would also read all empty lines that follow, again and again.
sub _lines_of { my ($file) = @_; return split /\n/x, content_of($file) // q{} }

sub _describe_certificate {
    my ($self, $look, $domain, $directory) = @_;
    my ($chain, $key) = ("$directory/fullchain.pem", "$directory/privkey.pem");
    answer("certificate.$domain.directory", $directory);
    my ($text, $why) = way_to($chain)->content($MOST_BYTES);
    my ($private, $why_not) = way_to($key)->file($MOST_BYTES);
    my ($unread) = ((defined $why ? "$chain $why" : ()), (defined $why_not ? "$key $why_not" : ()));
    return answer("certificate.$domain.unread", $unread) if defined $unread && $unread !~ /[ ]cannot[ ]be[ ]read/x;
    return if !defined $text;
    my @reading = ('openssl', 'pkey', '-pubout', '-passin', 'pass:', '-in');
    answer("certificate.$domain.chain", $text);
    answer("certificate.$domain.key", $private ? output_within($PATIENCE, @reading, name_of_handle($private)) : q{});
    $look->changed("certificate.$domain", $chain, $key);
    my $renewal = $self->{is_certbots} ? $self->_renewal_of($directory) : undef;
    answer("certificate.$domain.renewal", $renewal) if defined $renewal;
    return;
}

# The configuration with which certbot renews the lineage of a directory. Its name is the lineage's, which may differ from that
# of the directory.
sub _renewal_of {
    my ($self, $directory) = @_;
    my $likeliest = name_of($directory) . '.conf';
    my @names = grep { $_ ne $likeliest && /[.]conf$/x } entries("$self->{directory}/renewal");
    for my $path (map { "$self->{directory}/renewal/$_" } $likeliest, @names) {
        my ($chain) = map { /^\s*fullchain\s*=\s*+(.*\S)/x ? $1 =~ s/^["'](?=.)|(?<=.)["']$//gxr : () } _lines_of($path);
        return $path if defined $chain && is_same(directory_of($chain), $directory);
    }
    return;
}

sub _describe_covering {
    my ($self, @directories) = @_;
    my @asked = map { $_->{directory} } @{ $self->{certificates} };
    return if @asked && $self->_covers("$asked[0]/fullchain.pem");
    my %is_asked = map { $_ => 1 } @asked;
    # A number, because a lineage's name may contain any byte.
    my $number = 0;
    for my $directory (grep { !$is_asked{$_} } @directories) {
        my $leaf = $self->_covers("$directory/fullchain.pem") // next;
        $number++;
        answer("covering.$number.directory", $directory);
        answer("covering.$number.chain", "$leaf\n");
    }
    return;
}

# The first certificate of a chain, if it covers the host's name, literally or by a wildcard; else undef. No program has to
# parse it: a certificate contains a DNS name as plain bytes after its tag and length (dNSName in RFC 5280, section 4.2.1.6).
sub _covers {
    my ($self, $chain) = @_;
    my ($text) = way_to($chain)->content($MOST_BYTES);
    my $leaf = leaf_of($text // q{});
    my $bytes = lc _decoded(first_certificate($leaf));
    my $wildcard = $self->{hostname} =~ s/^[^.]*/*/xr;
    my @names = map { lc "\x82" . _length($_) . $_ } $self->{hostname}, $wildcard;
    return (grep { index($bytes, $_) >= 0 } @names) ? $leaf : undef;
}

# A name's length in DER; no name is longer than 255 bytes.
sub _length {
    my ($name) = @_;
    my $length = length $name;
    return $length < 0x80 ? chr $length : "\x81" . chr $length;
}

# MIME::Base64 is not in Debian's perl-base. unpack decodes uuencode, which is base64 with other characters and a length
# before each line.
sub _decoded {
    my ($base64) = @_;
    $base64 =~ tr{A-Za-z0-9+/}{}cd;
    $base64 =~ tr{A-Za-z0-9+/}{ -_};
    return join q{}, map { unpack 'u', chr(32 + int(length($_) * 3 / 4)) . $_ } $base64 =~ /.{1,60}/gx;
}

1;

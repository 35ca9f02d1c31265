package SmtpAuth::Pem;

# Certificates as text (RFC 7468).
#
#   first_certificate TEXT   the first certificate in a text, in base64 without white space; empty where there is none

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(first_certificate);

sub first_certificate {
    my ($text) = @_;
    return $text =~ /-----BEGIN[ ]CERTIFICATE-----(.*?)-----END/xs ? $1 =~ s/\s//gxr : q{};
}

1;

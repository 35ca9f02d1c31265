package SmtpAuth::Pem;

# Certificates as text (RFC 7468).
#
#   leaf_of TEXT             the first certificate in a text, with its two lines around it; empty where there is none
#   first_certificate TEXT   what stands between these, base64 without white space

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(leaf_of first_certificate);

my ($BEGIN, $END) = map { quotemeta "-----$_ CERTIFICATE-----" } qw(BEGIN END);

sub leaf_of { my ($text) = @_; return $text =~ /($BEGIN.*?$END)/xs ? $1 : q{} }

sub first_certificate { my ($text) = @_; return leaf_of($text) =~ s/$BEGIN|$END|\s//gxr }

1;

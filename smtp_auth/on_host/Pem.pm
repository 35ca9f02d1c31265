package SmtpAuth::Pem;

# Certificates as text (RFC 7468).
#
#   leaf_of TEXT             the first certificate in a text, with its BEGIN and END lines; empty if there is none
#   first_certificate TEXT   the base64 between these lines, without white space

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(leaf_of first_certificate);

my ($BEGIN, $END) = map { quotemeta "-----$_ CERTIFICATE-----" } qw(BEGIN END);

sub leaf_of { my ($text) = @_; return $text =~ /($BEGIN.*?$END)/xs ? $1 : q{} }

sub first_certificate { my ($text) = @_; return leaf_of($text) =~ s/$BEGIN|$END|\s//gxr }

1;

package SmtpAuth::Pem;

# Certificates as text (RFC 7468).
#
#   leaf_of TEXT             the first certificate in a text, with its BEGIN and END lines; empty if there is none
#   first_certificate TEXT   the base64 between these lines, without white space

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(leaf_of first_certificate);

my ($BEGIN, $END) = map { "-----$_ CERTIFICATE-----" } qw(BEGIN END);

# One expression for both would search for the end from each beginning on.
sub leaf_of {
    my ($text) = @_;
    my $begin = index $text, $BEGIN;
    my $end = $begin < 0 ? $begin : index $text, $END, $begin;
    return $end < 0 ? q{} : substr $text, $begin, $end + length($END) - $begin;
}

sub first_certificate { my ($text) = @_; return leaf_of($text) =~ s/\Q$BEGIN\E|\Q$END\E|\s//gxr }

1;

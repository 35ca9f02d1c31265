package SmtpAuth::Postfix::Smtpd;

# What Postfix's smtpd does to those who wait for it.
#
#   dies_since TIME    whether an smtpd has died at its start since a time in seconds since 1970. master then starts no other
#                      one for this service for a minute

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Programs qw(journal_since);

our @EXPORT_OK = qw(dies_since);

sub dies_since {
    my ($when) = @_;
    return journal_since($when) =~ /smtpd:[ ]bad[ ]command[ ]startup[ ]--[ ]throttling/x;
}

1;

package SmtpAuth::Json;

# Writes text as JSON. All other JSON is made on the controller.
#
#   quoted TEXT      a string of JSON (RFC 8259, section 7), with its quotation marks; TEXT is ASCII or bytes of latin-1

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(quoted);

sub quoted {
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/gx;
    $text =~ s/([^ -~])/sprintf '\\u%04x', ord $1/gxe;
    return qq{"$text"};
}

1;

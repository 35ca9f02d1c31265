package SmtpAuth::Lines;

# The lines that a controller and a program on a host exchange: "key TAB value". In a value, every byte outside printable
# ASCII and every "%" is written %XX, so that no value contains a line end, and no terminal changes one.
#
#   as_line KEY, VALUE     such a line, with its line end
#   answer KEY, VALUE      prints it on standard output, whether or not anybody reads it
#   pairs_in TEXT          reads what as_line has made: [KEY, VALUE] for each line

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(as_line answer pairs_in);

sub as_line {
    my ($key, $value) = @_;
    $value =~ s/([^ -\$&-~])/sprintf '%%%02X', ord $1/gxe;
    return "$key\t$value\n";
}

sub answer {
    my ($key, $value) = @_;
    # An error is ignored: the reader may have disconnected, and the change has to be completed nevertheless.
    print as_line($key, $value);
    return;
}

sub pairs_in {
    my ($text) = @_;
    my @pairs;
    for my $line (grep { length } split /\n/x, $text) {
        my ($key, $value) = split /\t/x, $line, 2;
        $value = q{} if !defined $value;
        $value =~ s/%([0-9A-F]{2})/chr hex $1/gxe;
        push @pairs, [$key, $value];
    }
    return @pairs;
}

1;

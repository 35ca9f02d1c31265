package SmtpAuth::Postfix::Certificates;

# Checks the files of a certificate whose parameter an undo or removal restores.
#
#   unusable NAME, CERTIFICATE, KEY   returns a sentence if one of the files does not exist, or if the certificate has
#                                     expired or cannot be read; else nothing. NAME is the parameter. Whether the key
#                                     belongs to the certificate is not checked, because the host had both before
#   expired FILE                      returns a sentence if a certificate has expired or cannot be read; else nothing

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(name_of_handle opened);
use SmtpAuth::Programs qw(run_within);

our @EXPORT_OK = qw(expired unusable);

# Seconds. Whoever writes the file decides how long openssl takes: as PKCS #12, it may ask for two thousand million rounds of a
# hash.
my $PATIENCE = 10;

sub unusable {
    my ($name, @files) = @_;
    my ($why) = ((map { _missing($_) } @files), expired($files[0]));
    return if !defined $why;
    return "$name would be $files[0] again, but $why: put a valid certificate with its key there, or set "
        . 'that parameter to another certificate first';
}

sub _missing {
    my ($path) = @_;
    return -e $path ? () : "$path does not exist";
}

sub expired {
    my ($path) = @_;
    my $file = eval { opened($path) };
    return if $file && !(run_within($PATIENCE, qw(openssl x509 -noout -checkend 0 -in), name_of_handle($file)))[0];
    return "the certificate in $path has expired, or cannot be read";
}

1;

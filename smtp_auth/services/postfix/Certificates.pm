package SmtpAuth::Postfix::Certificates;

# Whether Postfix could serve a certificate.
#
#   unusable NAME, CERTIFICATE, KEY   a sentence that says why the files that parameter NAME and that of its key shall name
#                                     again cannot be served; nothing where they can

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Programs qw(run);

our @EXPORT_OK = qw(unusable);

sub unusable {
    my ($name, $certificate, $key) = @_;
    my ($why) = (_missing($certificate), _missing($key), _wrong($certificate, $key));
    return if !defined $why;
    return "$name would again be $certificate, and $why: put a valid certificate with its key there, or set "
        . 'another one in its place yourself';
}

sub _missing {
    my ($path) = @_;
    return -e $path ? () : "$path does not exist";
}

sub _wrong {
    my ($certificate, $key) = @_;
    my ($failed, $public) = run(qw(openssl x509 -noout -pubkey -in), $certificate);
    return "$certificate holds no certificate" if $failed;
    return "the certificate in $certificate has expired"
        if (run(qw(openssl x509 -noout -checkend 0 -in), $certificate))[0];
    my ($no_key, $its) = run(qw(openssl pkey -pubout -passin pass: -in), $key);
    return "$key cannot be read" if $no_key;
    return $its eq $public ? () : "the key in $key does not belong to it";
}

1;

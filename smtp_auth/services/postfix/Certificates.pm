package SmtpAuth::Postfix::Certificates;

# Whether the files of a certificate are there, and it has not expired.
#
#   unusable NAME, CERTIFICATE, KEY   a sentence that says what is wrong with the files that parameter NAME and that of its
#                                     key shall name again; nothing if nothing is. Whether they belong together is not
#                                     judged: the host had them so

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Programs qw(run);

our @EXPORT_OK = qw(unusable);

sub unusable {
    my ($name, @files) = @_;
    my ($why) = ((map { _missing($_) } @files), _expired($files[0]));
    return if !defined $why;
    return "$name would again be $files[0], and $why: put a valid certificate with its key there, or set "
        . 'another one in its place yourself';
}

sub _missing {
    my ($path) = @_;
    return -e $path ? () : "$path does not exist";
}

sub _expired {
    my ($path) = @_;
    return (run(qw(openssl x509 -noout -checkend 0 -in), $path))[0]
        ? "the certificate in $path has expired, or cannot be read"
        : ();
}

1;

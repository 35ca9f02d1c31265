package SmtpAuth::Dovecot::Master;

# Dovecot's master process, and its configuration.
#
#   master                       its process ID; undef if it does not run
#   configuration_in DIRECTORY   the files that it reads in Debian's packages, below the directory of dovecot.conf

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(entries);
use SmtpAuth::Programs qw(running);

our @EXPORT_OK = qw(configuration_in master);

sub configuration_in {
    my ($directory) = @_;
    return map { "$directory/$_" } 'dovecot.conf', map { "conf.d/$_" } grep { /[.]conf$/x } entries("$directory/conf.d");
}

sub master { return running('dovecot', '/run/dovecot/master.pid') }

1;

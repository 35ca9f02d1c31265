package SmtpAuth::Dovecot::Master;

# Dovecot's master process.
#
#   master    its process ID; undef if it does not run

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Programs qw(running);

our @EXPORT_OK = qw(master);

sub master { return running('dovecot', '/run/dovecot/master.pid') }

1;

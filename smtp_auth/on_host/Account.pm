package SmtpAuth::Account;

#   account    the account that has sent this program: the one that has logged in, also if it became root with sudo

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(account);

sub account { return $ENV{SUDO_USER} || scalar getpwuid $< }

1;

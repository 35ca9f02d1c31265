package SmtpAuth::Shell;

# Runs a shell command that follows `__END__`, whatever the login shell of the account is.
#
#   main PARTS    becomes the command; dies if there is no shell
#
# The command has the environment of SmtpAuth::Programs and an empty standard input.

use strict;
use warnings;
use Symbol qw(qualify_to_ref);
use SmtpAuth::Programs qw(prepare);

sub main {
    prepare();
    my $command = do { local $/ = undef; readline(qualify_to_ref('DATA', 'main')) // q{} };
    open STDIN, '<', '/dev/null' or die "cannot read /dev/null: $!\n";
    exec 'sh', '-c', $command or die "cannot run sh: $!\n";
}

1;

package SmtpAuth::Change;

# The program of a change. Its instructions follow its text: see SmtpAuth::Instructions.
#
#   main PARTS, WHAT, HOW…   PARTS is not used: the instructions name the packages of the services. WHAT is
#     rehearse PRIVATE         to check the new files before a change: see SmtpAuth::Rehearsal
#     change                   to make the change
#     prove                    to prove the services as they are
#     put-back                 to restore the old files after a change was killed
#     boot                     to restore them when the host boots
#   Returns the exit status; dies if the instructions are incomplete, and has then done nothing.

use strict;
use warnings;
use IO::Handle;
use Symbol qw(qualify_to_ref);
use SmtpAuth::Instructions;
use SmtpAuth::Programs qw(prepare);
use SmtpAuth::Rehearsal;
use SmtpAuth::Service;
use SmtpAuth::Transaction;

my $NEW_FILES = oct '22';

sub main {
    my (undef, $what, @how) = @_;
    # Every line of the answer is sent at once.
    STDOUT->autoflush(1);
    # A lost connection must not stop a change halfway.
    $SIG{HUP} = $SIG{PIPE} = 'IGNORE';
    prepare();
    umask $NEW_FILES;
    my $instructions = SmtpAuth::Instructions->read_from(qualify_to_ref('DATA', 'main'));
    my %services = map { $_ => _service($instructions, $_) } $instructions->services;
    if ($what eq 'rehearse') {
        SmtpAuth::Rehearsal->new($instructions, \%services)->rehearse(@how);
        return 0;
    }
    my $transaction = SmtpAuth::Transaction->new($instructions, \%services, $0);
    my %verbs = ('prove' => 'prove', 'put-back' => 'put_back', 'boot' => 'boot', 'change' => 'change');
    my $verb = $verbs{$what};
    return $transaction->$verb;
}

sub _service {
    my ($instructions, $key) = @_;
    my $package = $instructions->one("service.$key.package") . '::Change';
    return $package->new($instructions, $key);
}

1;

package SmtpAuth::Certbot::Change;

# The part of certbot's deploy hook in a change: no daemon has to be reloaded, and the proof is that certbot can run it; see
# SmtpAuth::Service. Its instructions, each as certbot.NAME:
#
#   file     the key of the hook, if it changes and certbot shall run it
#   shell    the words of the shell that reads it, repeated; none if it is no shell script

use strict;
use warnings;
use parent qw(SmtpAuth::Service);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Writing qw(create);

# certbot makes it when it first runs.
sub makes_directories { return 1 }

sub is_asked_in_place { return 0 }

sub refused {
    my ($self, $place) = @_;
    my @shell = $self->all('shell') or return;
    create("$place/hook.sh", $self->instructions->of_file($self->one('file'), 'content'));
    my ($status, $said) = run(@shell, '-n', "$place/hook.sh");
    return $status ? $said : ();
}

sub prove {
    my ($self) = @_;
    my $file = $self->one('file') // return;
    my $path = $self->instructions->path_of($file);
    die "$path cannot be run\n" if !-x $path;
    return;
}

1;

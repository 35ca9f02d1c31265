package SmtpAuth::Certbot::Change;

# certbot's part of a change: its deploy hook (see SmtpAuth::Service). No daemon is reloaded. The proof is that the hook is
# executable. Its instructions, each as certbot.NAME:
#
#   file     the key of the hook, if it changes and has to be executable
#   shell    the words of the shell that executes it, one a line; none if it is not a shell script

use strict;
use warnings;
use parent qw(SmtpAuth::Service);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Writing qw(create);

# What is proved, for people.
my $IS_EXECUTABLE = 'certbot: its hook is executable';

# certbot locks a file in each of its directories; these are the default ones (certbot/_internal/lock.py).
sub locks { return map { "$_/.certbot.lock" } qw(/etc/letsencrypt /var/lib/letsencrypt /var/log/letsencrypt) }

# certbot creates its directory only when it first runs.
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
    die "$path is not executable\n" if !-x $path;
    return $IS_EXECUTABLE;
}

1;

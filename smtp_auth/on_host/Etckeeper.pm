package SmtpAuth::Etckeeper;

# If /etc is a repository of etckeeper(8), commits the edits of others before a change, and then the change itself. A commit
# that fails does not fail the change. A commit may push to a server that does not answer, so it cannot delay a change for
# long, either.
#
#   new INSTRUCTIONS
#   commit_of_others     before the files change
#   commit_of_ours       in a systemd unit of its own, which the change does not wait for

use strict;
use warnings;
use SmtpAuth::Programs qw(found run silently);

# Seconds for a commit of the edits of others, which has to be made before the files change; until it is then killed; and for
# a commit of ours.
my $PATIENCE = 20;
my $UNTIL_KILLED = 2;
my $PATIENCE_WITH_OURS = 300;

sub new {
    my ($class, $instructions) = @_;
    return bless {instructions => $instructions}, $class;
}

sub commit_of_others {
    my ($self) = @_;
    return if !$self->_keeps_etc || (run('etckeeper', 'unclean'))[0] != 0;
    my @patiently = ('timeout', '-k', $UNTIL_KILLED, $PATIENCE);
    silently(@patiently, 'etckeeper', 'commit', 'Edits of others, before a change by smtp-auth');
    return;
}

sub commit_of_ours {
    my ($self) = @_;
    return if !$self->_keeps_etc;
    my ($about, $id, $controller) = map { $self->{instructions}->one($_) } qw(about id controller);
    my @unit = ('systemd-run', '--quiet', '--collect', '--no-block', '-p', "RuntimeMaxSec=$PATIENCE_WITH_OURS");
    my $message = "smtp-auth: $about (change $id by $controller)";
    silently(@unit, "--description=Commit of change $id", 'etckeeper', 'commit', $message);
    return;
}

sub _keeps_etc {
    my ($self) = @_;
    my $etc = $self->{instructions}->one('etc') or return 0;
    return (grep { -e "$etc/$_" } qw(.git .hg .bzr _darcs)) && found('etckeeper');
}

1;

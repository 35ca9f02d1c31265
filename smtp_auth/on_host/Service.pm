package SmtpAuth::Service;

# A service's part of a change; each service has a package PACKAGE::Change that inherits from this one. The methods here are
# those of a service that has no daemon and no check. A method that finds a problem dies with a sentence and a line end, unless
# its description says otherwise.
#
#   new INSTRUCTIONS, KEY
#   key, name                 of the service
#   one NAME, all NAME        its own instructions: KEY.NAME
#   instructions              all instructions
#   is_reloaded               whether this change reloads it
#
# In a rehearsal:
#   makes_directories         whether the directory of its file may be missing: then the change creates it
#   is_asked_in_place         whether its programs read the new files at their real paths
#   name_of_copy FILE         the name of a copy of one of its files, by the file's key
#   replaces                  the paths, other than those of its files, that its daemon creates or deletes in this change
#   before                    reads the old files while they are still in place
#   refused PLACE, IN_PLACE   the sentences with which the service's own programs refuse the new files. These are in place, or
#                             copied into the directory PLACE; further files may be written there
#
# In a change, where BEGAN is when it began, in seconds since 1970:
#   can_run                   whether it has a daemon, which can be reloaded
#   running                   whether it runs
#   unserved BEGAN            its ports that are broken before the change
#   reload                    makes the service read its files again, or starts it if it does not run
#   prove BEGAN               proves that it works with the new files. Returns what was proved, a list of lines for people: see
#                             `proved` of SmtpAuth::Proof
#   bring_back BEGAN          as reload, after the old files are restored
#   prove_old UNSERVED…       proves that it works as before the change, except on the ports that were broken; returns the same
#   present_state             what SmtpAuth::Proved compares: its process, and the files that it reads
#   units                     its systemd units
#   locks                     the files that its own tools lock while they change it
#   logs_as                   the name of its programs in the journal, if it has any
#   converse WORD…            proves it with real connections, and returns what they have proved; see SmtpAuth::Proof

use strict;
use warnings;
use SmtpAuth::Programs qw(run);

sub new {
    my ($class, $instructions, $key) = @_;
    return bless {instructions => $instructions, key => $key}, $class;
}

sub key { my ($self) = @_; return $self->{key} }

sub name { my ($self) = @_; return $self->instructions->one("service.$self->{key}.name") }

sub one { my ($self, $name) = @_; return $self->instructions->one("$self->{key}.$name") }

sub all { my ($self, $name) = @_; return $self->instructions->all("$self->{key}.$name") }

sub instructions { my ($self) = @_; return $self->{instructions} }

sub is_reloaded { my ($self) = @_; return $self->instructions->is_reloaded($self->{key}) }

sub makes_directories { return 0 }

sub is_asked_in_place { return 1 }

sub name_of_copy { my ($self, $file) = @_; return $file }

sub replaces { return }

sub before { return }

sub refused { return }

sub can_run { return 0 }

sub running { return 0 }

sub unserved { return }

sub reload { return }

sub prove { return }

sub bring_back { return }

sub prove_old { return }

sub present_state { return q{} }

sub units { return }

sub locks { return }

sub logs_as { return }

sub converse {
    my ($self, @words) = @_;
    my ($status, $said) = run($^X, '-e', $self->one('proof'), q{--}, @words);
    die $said if $status;
    return split /\n/x, $said;
}

1;

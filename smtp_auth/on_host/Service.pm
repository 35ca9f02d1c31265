package SmtpAuth::Service;

# A service's part of a change; each service has a package PACKAGE::Change that inherits from this one. What is written
# here is that of a service of which nothing runs and nothing is asked. A method that finds something wrong dies with a
# sentence that ends with a line end, unless said otherwise.
#
#   new INSTRUCTIONS, KEY
#   key, name                 of the service
#   one NAME, all NAME        its own instructions: KEY.NAME
#   instructions              all instructions
#   is_reloaded               whether this change reloads it
#
# In a rehearsal:
#   makes_directories         whether a directory that its file needs may be missing: the change makes it
#   is_asked_in_place         whether its programs read the new files at their real paths
#   name_of_copy FILE         what a copy of a file of its is called, by the file's key
#   before                    looks at what is still in place
#   refused PLACE, IN_PLACE   what the service's own programs have against the new files, a sentence each. They are in
#                             place, or copied into the directory PLACE; further files may be written there
#
# In a change, where BEGAN is when it began, in seconds since 1970:
#   can_run                   whether anything of it runs, and can be reloaded
#   running                   whether it runs
#   unserved BEGAN            the ports that it does not serve before the change
#   reload                    makes the service read its files again, or starts it if it does not run
#   prove BEGAN               proves that it serves with the new files
#   bring_back BEGAN          as reload, after the old files are back
#   prove_old UNSERVED…       proves that it serves as it did before, but for the ports that it did not serve
#   logs_as                   what its programs are called in the journal, if they are
#   converse WORD…            a real connection; see SmtpAuth::Proof

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

sub before { return }

sub refused { return }

sub can_run { return 0 }

sub running { return 0 }

sub unserved { return }

sub reload { return }

sub prove { return }

sub bring_back { return }

sub prove_old { return }

sub logs_as { return }

sub converse {
    my ($self, @words) = @_;
    my ($status, $said) = run($^X, '-e', $self->one('proof'), q{--}, @words);
    die $said if $status;
    return;
}

1;

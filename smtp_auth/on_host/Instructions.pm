package SmtpAuth::Instructions;

# What a change of a host's configuration files is to do: lines "key TAB value" (see SmtpAuth::Lines) behind the `__END__`
# of a program; a key may be repeated. Nothing can be written into them once they are read.
#
#   read_from HANDLE       the instructions; dies if they arrived incomplete
#   one KEY                a value, the last one; undef where there is none
#   all KEY                all its values, in their order
#   services               the keys of all services, sorted; `all('service')` are those that take part
#   is_reloaded SERVICE    whether a service is reloaded
#   files                  the keys of the managed files, in the order in which they go live
#   files_of SERVICE       those of a service
#   changed_files          those that change; new_files: without those that are deleted
#   is_changed FILE, is_deleted FILE
#   path_of FILE           where it is, behind any links
#   of_file FILE, WHAT     one("file.FILE.WHAT")
#
# The keys:
#   id                     of the change, the same on all hosts of a run
#   controller             who has sent it, and from where: user@host
#   lock                   a directory of the host; one change at a time holds it
#   record                 the directory of the record
#   run                    an existing directory for what does not outlive a change
#   scratch                an existing directory, which a private namespace may cover
#   manifest               what the record shall say of the change: a JSON object
#   etc                    what etckeeper may keep, if it shall hear of the change
#   about                  the change in a few words
#   ledger                 what ledger.json of the change shall hold
#   baseline               the key of a file of which a copy is kept as it is before the change
#   file                   the key of a managed file, in the order in which they go live
#   file.KEY.path          where it is, behind any links
#   file.KEY.service       the key of the service whose file it is
#   file.KEY.seen          SHA-256 of what the plan saw there; empty: no file
#   file.KEY.digest        SHA-256 of what it becomes, if it changes; empty: it is deleted
#   file.KEY.content       its new content; with file.KEY.mode, if that changes
#   service                the key of a service that takes part, in the order in which they go live
#   service.KEY.name       what people call a service
#   service.KEY.package    its packages are below this one: PACKAGE::Change
#   reload                 the key of a service that is reloaded
#   SERVICE.…              see PACKAGE::Change of the service; SERVICE.proof: the program of its proof, if it has one
#   complete               the last line: all have arrived
#   ssh_user               who has sent it: added on the host by SmtpAuth::Supervise

use strict;
use warnings;
use Hash::Util qw(lock_hashref_recurse);
use SmtpAuth::Lines qw(pairs_in);

sub read_from {
    my ($class, $handle) = @_;
    my $text = do { local $/ = undef; <$handle> };
    my %values;
    push @{ $values{ $_->[0] } }, $_->[1] for pairs_in($text // q{});
    die "the instructions arrived incomplete\n" if !$values{complete};
    return lock_hashref_recurse(bless {values => \%values}, $class);
}

sub one { my ($self, $key) = @_; return ($self->all($key))[-1] }

sub all {
    my ($self, $key) = @_;
    my $values = $self->{values};
    return exists $values->{$key} ? @{ $values->{$key} } : ();
}

sub services {
    my ($self) = @_;
    my @keys = sort map { /^service[.](\w+)[.]package$/x } keys %{ $self->{values} };
    return @keys;
}

sub is_reloaded { my ($self, $service) = @_; return scalar grep { $_ eq $service } $self->all('reload') }

sub files { my ($self) = @_; return $self->all('file') }

sub files_of {
    my ($self, $service) = @_;
    return grep { $self->of_file($_, 'service') eq $service } $self->files;
}

sub changed_files { my ($self) = @_; return grep { $self->is_changed($_) } $self->files }

sub new_files { my ($self) = @_; return grep { !$self->is_deleted($_) } $self->changed_files }

sub is_changed { my ($self, $file) = @_; return defined $self->of_file($file, 'digest') }

sub is_deleted { my ($self, $file) = @_; return ($self->of_file($file, 'digest') // 'changed') eq q{} }

sub path_of { my ($self, $file) = @_; return $self->of_file($file, 'path') }

sub of_file { my ($self, $file, $what) = @_; return $self->one("file.$file.$what") }

1;

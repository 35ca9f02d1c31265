package SmtpAuth::Instructions;

# The instructions of a change: lines "key TAB value" (see SmtpAuth::Lines) after the `__END__` of a program; a key may be
# repeated. They cannot be modified after they are read.
#
#   read_from HANDLE       the instructions; dies if they are incomplete
#   one KEY                the last value of a key; undef if it has none
#   all KEY                all values of a key, in their order
#   services               the keys of all services, sorted; `all('service')` are those that take part
#   is_reloaded SERVICE    whether a service is reloaded
#   files                  the keys of the managed files, in the order in which they go live
#   files_of SERVICE       those of a service
#   changed_files          those that change; new_files: without those that are deleted
#   is_changed FILE, is_deleted FILE
#   path_of FILE           its path, with links resolved
#   of_file FILE, WHAT     one("file.FILE.WHAT")
#
# The keys:
#   id                     of the change, the same on all hosts of a run
#   controller             who has sent it, and from where: user@host
#   lock                   a file that a change creates if it is missing, and locks: only one change runs at a time
#   record                 the directory of the record
#   run                    an existing directory for files that are needed only during a change
#   units                  the directory of systemd units that SmtpAuth::Recovery uses
#   scratch                an existing directory, which a private mount namespace may cover
#   manifest               the change's manifest in the record: a JSON object
#   etc                    the directory that etckeeper may keep, if the change has to be committed there
#   about                  the change in a few words
#   ledger                 what ledger.json of the change shall hold
#   baseline               the key of a file of which a copy is kept as it is before the change
#   file                   the key of a managed file, in the order in which they go live
#   file.KEY.path          its path, with links resolved
#   file.KEY.service       the key of the service that it belongs to
#   file.KEY.seen          SHA-256 of the content of which the plan was made; empty: no file
#   file.KEY.digest        SHA-256 of the new content, if the file changes; empty: it is deleted
#   file.KEY.content       the new content; with file.KEY.mode, if the mode changes
#   even_held              1 if the change is made even if the host is held: see SmtpAuth::Hold
#   service                the key of a service that takes part, in the order in which they go live
#   service.KEY.name       the service's name for people
#   service.KEY.package    the package that the service's packages are below: PACKAGE::Change
#   reload                 the key of a service that is reloaded
#   SERVICE.…              see PACKAGE::Change of the service; SERVICE.proof: the program of its proof, if it has one
#   complete               the last line: all instructions have arrived
#   ssh_user               the account that has sent it: added on the host by SmtpAuth::Supervise

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

package SmtpAuth::Swap;

# Replaces the managed files one by one, and restores them: see SmtpAuth::Beside for the files that are beside them meanwhile.
# A file is named by its key. The functions die with a sentence and a line end.
#
#   new INSTRUCTIONS, RECORD
#   compare            makes sure that the files are those of the plan, and deletes files of earlier changes that are not needed
#   is_unproved        whether an earlier change has left a file that was never proved, because it was interrupted
#   proved             the versions that were proved last, of these files: see SmtpAuth::Record
#   stage              writes the new versions beside the files
#   unstage            deletes them
#   swap KEY           replaces a file, or deletes it, and keeps its earlier version
#   restore KEY        restores the earlier version, unless the file was edited meanwhile; returns whether it did
#   release KEY        deletes what is beside a file that was not swapped, or that somebody has edited since; returns whether
#                      somebody has
#   clean              deletes the earlier versions. The record already says that the change is live
#   places             the directories of the files

use strict;
use warnings;
use SmtpAuth::Beside qw(digest_in kept place_for place_for_none staged was_none);
use SmtpAuth::Files qw(directory_of is_link is_same is_there read_file);
use SmtpAuth::Programs qw(digests_of);
use SmtpAuth::Writing qw(age create make_directories sync_directory);

my $FOR_EVERYBODY = oct '755';

# In addition to the arguments, an object holds:
#   found       the contents of the managed files at the start of this change, by key
#   unproved    the files that an earlier change left unproved: path to the earlier version that is kept beside it
#   made        the directories that this change has created
sub new {
    my ($class, $instructions, $record) = @_;
    return bless {instructions => $instructions, record => $record, found => {}, unproved => {}, made => []}, $class;
}

sub _paths { my ($self) = @_; return map { $self->{instructions}->path_of($_) } $self->{instructions}->files }

sub places {
    my ($self) = @_;
    my %places = map { directory_of($_) => 1 } $self->_paths;
    my @sorted = sort keys %places;
    return @sorted;
}

# -- before the change --------------------------------------------------------------------------------

sub compare {
    my ($self) = @_;
    my $instructions = $self->{instructions};
    my %digest = digests_of($self->_paths);
    for my $path ($self->_paths) {
        _delete(staged($path));
        my $kept = kept($path) // next;
        if (digest_in($kept) eq ($digest{$path} // q{}) && !$self->{record}->is_proved($path)) {
            $self->{unproved}{$path} = $kept;
        }
        else { $self->_drop($path, $kept) }
    }
    for my $key ($instructions->files) {
        my $path = $instructions->path_of($key);
        $self->{found}{$key} = read_file($path);
        die "nothing was changed, because $path was changed since the plan was made: run again to plan with its new version\n"
            if is_link($path) || ($digest{$path} // q{}) ne $instructions->of_file($key, 'seen');
    }
    return;
}

sub is_unproved { my ($self) = @_; return scalar %{ $self->{unproved} } }

sub proved {
    my ($self) = @_;
    my $unproved = $self->{unproved};
    return {map { $_ => was_none($unproved->{$_}) ? undef : $unproved->{$_} } keys %{$unproved}};
}

# Deletes the old version that is kept beside a file. The file itself stays: it was never swapped, is proved, or was edited.
sub _drop {
    my ($self, $path, $kept) = @_;
    $self->{record}->keep_aside($path, $kept)
        if !was_none($kept) && !is_same($kept, $path) && !$self->{record}->is_proved($path);
    return _delete($kept);
}

sub _delete {
    my ($path) = @_;
    # Where nothing can be written, unlink(2) fails also if there is nothing to delete.
    return if !is_there($path);
    unlink $path or die "cannot delete $path: $!\n";
    return;
}

sub stage {
    my ($self) = @_;
    for my $key ($self->{instructions}->new_files) {
        my $path = $self->{instructions}->path_of($key);
        my $mode = $self->{instructions}->of_file($key, 'mode');
        my $directory = directory_of($path);
        unshift @{ $self->{made} }, _missing($directory);
        make_directories($directory, $FOR_EVERYBODY);
        # With the owner, ACL and further attributes of the old version.
        my @like = defined $self->{found}{$key} ? $path : ();
        age(create(staged($path), $self->{instructions}->of_file($key, 'content'), $mode ? oct $mode : undef, @like));
    }
    return;
}

# The missing directories on the way to a directory, itself first.
sub _missing {
    my ($directory) = @_;
    return is_there($directory) ? () : ($directory, _missing(directory_of($directory)));
}

sub unstage {
    my ($self) = @_;
    # What cannot be deleted is deleted by the next change.
    unlink map { staged($_) } $self->_paths;
    rmdir for @{ $self->{made} };
    return;
}

# -- the change ---------------------------------------------------------------------------------------

sub swap {
    my ($self, $key) = @_;
    my $path = $self->{instructions}->path_of($key);
    die "$path was changed since the plan was made: run again to plan with its new version\n"
        if is_link($path) || !_is_equal(scalar read_file($path), $self->{found}{$key});
    # Not earlier: a second name changes the file's ctime, and a look compares the ctime to see whether a reload is due.
    $self->_keep($key, $path);
    if ($self->{instructions}->is_deleted($key)) { unlink $path or die "cannot delete $path: $!\n" }
    else { rename staged($path), $path or die "cannot replace $path: $!\n" }
    sync_directory(directory_of($path));
    return;
}

# Whether two contents are equal; undef is the content of a missing file.
sub _is_equal {
    my ($one, $other) = @_;
    return defined $one && defined $other ? $one eq $other : !defined $one && !defined $other;
}

# Keeps the present version under a second name. If an earlier change has left a file unproved, the version before that change
# is kept instead.
sub _keep {
    my ($self, $key, $path) = @_;
    my $before = $self->{unproved}{$path};
    my $is_none = defined $before ? was_none($before) : !defined $self->{found}{$key};
    my $digest = $self->{instructions}->of_file($key, 'digest');
    my $place = $is_none ? place_for_none($path, $digest) : place_for($path, $digest);
    if (defined $before) { rename $before, $place or die "cannot keep the earlier version of $path: $!\n" }
    elsif ($is_none)     { create($place, q{}) }
    else { link $path, $place or die "cannot keep the present version of $path (is it immutable?): $!\n" }
    return;
}

# -- the way back, or the end -------------------------------------------------------------------------

sub restore {
    my ($self, $key) = @_;
    my $instructions = $self->{instructions};
    my $path = $instructions->path_of($key);
    my ($before, $copy) = $self->{record}->before($path);
    my $kept = $self->_own_kept($key);
    # Two names of one file mean that it was not swapped.
    return 0 if defined $kept && is_same($kept, $path);
    my %digest = digests_of($path, $kept // ());
    my $now = $digest{$path} // q{};
    return $self->_restore_lost($key, $now, $before, $copy) if !defined $kept;
    # Restore only over our version, or over the version that an earlier change left unproved.
    return 0 if !grep { defined && $_ eq $now } map { $instructions->of_file($key, $_) } qw(digest seen);
    if (was_none($kept)) {
        _delete($path);
        _delete($kept);
    }
    elsif (!defined $before || $digest{$kept} eq $before) {
        rename $kept, $path or die "cannot restore $path: $!\n";
    }
    else {
        $self->_restore_copy($path, $before, $copy);
        # Somebody may have written to it, through a handle from before the change.
        $self->{record}->keep_aside($path, $kept);
        _delete($kept);
    }
    sync_directory(directory_of($path));
    return 1;
}

# What is kept beside a file, if it is from this change, or from an earlier one that this change answers for.
sub _own_kept {
    my ($self, $key) = @_;
    my $kept = kept($self->{instructions}->path_of($key)) // return;
    my @own = grep { defined } map { $self->{instructions}->of_file($key, $_) } qw(digest seen);
    return (grep { $_ eq digest_in($kept) } @own) ? $kept : undef;
}

# If our version is in place and nothing is kept beside it, the record has a copy.
sub _restore_lost {
    my ($self, $key, $now, $before, $copy) = @_;
    my $path = $self->{instructions}->path_of($key);
    my $ours = $self->{instructions}->of_file($key, 'digest');
    return 0 if !defined $before || !defined $ours || $now ne $ours || $now eq $before;
    if (length $before) { $self->_restore_copy($path, $before, $copy) }
    else                { _delete($path) }
    sync_directory(directory_of($path));
    return 1;
}

sub _restore_copy {
    my ($self, $path, $before, $copy) = @_;
    my %digest = digests_of($copy);
    ($digest{$copy} // q{}) eq $before or die "cannot restore $path: its earlier version is missing or damaged\n";
    _delete(staged($path));
    create(staged($path), read_file($copy), undef, $copy)->sync or die "cannot restore $path: $!\n";
    rename staged($path), $path or die "cannot restore $path: $!\n";
    return;
}

sub release {
    my ($self, $key) = @_;
    my $path = $self->{instructions}->path_of($key);
    _delete(staged($path));
    my $kept = $self->_own_kept($key) // return 0;
    my $is_edited = !is_same($kept, $path);
    $self->_drop($path, $kept);
    return $is_edited;
}

sub clean {
    my ($self) = @_;
    _delete($_) for grep { defined } map { $self->_own_kept($_) } $self->{instructions}->files;
    sync_directory($_) for grep { is_there($_) } $self->places;
    return;
}

1;

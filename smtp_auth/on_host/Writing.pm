package SmtpAuth::Writing;

# Writes files. Functions die with a sentence and a line end if they fail.
#
#   create PATH, CONTENT, MODE, [LIKE]   writes a new file, which is on the disk when this returns. PATH must not exist, not
#                                        even as a link. The file gets owner, mode, ACL and times of the file LIKE; then MODE
#                                        is set, if defined. Without both, only its owner may read it. Returns its handle: if
#                                        others may write to the directory, the path may lead elsewhere by now
#   replace PATH, CONTENT, MODE          writes a file that may exist; a reader sees the old or the new content, never a part
#                                        of it. Uses the name PATH.new meanwhile
#   age HANDLE                           makes a complete file look three seconds old: Postfix waits until a file is two
#                                        seconds old, because it might still be being written
#   sync_directory PATH                  makes sure that renames in a directory are on the disk
#   sync_file PATH                       makes sure that a file's content is on the disk
#   sync_tree PATH                       makes sure that a directory with everything below it is on the disk
#   make_directories PATH, MODE          creates a directory and the missing ones above it
#   copy_below DIRECTORY, INSTEAD, PATH…
#                                        copies the files that exist below DIRECTORY, at their full path, with mode, owner and
#                                        times. INSTEAD is a hash: for a path in it, the file that it names is copied
#                                        instead, or none if that is undef

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(O_CREAT O_EXCL O_NOFOLLOW O_WRONLY);
use IO::Handle;
use SmtpAuth::Files qw(directory_of is_there name_of name_of_handle names_in opened);
use SmtpAuth::Programs qw(run);

our @EXPORT_OK = qw(create replace age sync_directory sync_file sync_tree make_directories copy_below);

my $FOR_ITS_OWNER = oct '600';
my $DIRECTORY_FOR_ITS_OWNER = oct '700';
my $SECONDS_OLD = 3;

sub create {
    my ($path, $content, $mode, $like) = @_;
    sysopen my $file, $path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, $FOR_ITS_OWNER
        or die "cannot write $path: $!\n";
    binmode $file;
    my $is_written = print {$file} $content;
    $is_written &&= $file->flush && $file->sync;
    if (!$is_written) {
        my $why = $!;
        # Otherwise, Perl closes it later, and warns.
        close $file or die "cannot write $path: $why\n";
        die "cannot write $path: $why\n";
    }
    if (defined $like) {
        my $model = opened($like) // die "cannot read $like: $!\n";
        my @names = map { name_of_handle($_) } $model, $file;
        my ($status, $said) = run('cp', '--attributes-only', '--preserve=all', '-T', q{--}, @names);
        die "cannot give $path the attributes of $like: $said\n" if $status;
    }
    return $file if !defined $mode;
    chmod $mode, $file or die "cannot set the mode of $path: $!\n";
    return $file;
}

sub replace {
    my ($path, $content, $mode) = @_;
    my $new = "$path.new";
    unlink $new;
    create($new, $content, $mode);
    rename $new, $path or die "cannot replace $path: $!\n";
    return;
}

sub age {
    my ($file) = @_;
    my $then = time - $SECONDS_OLD;
    utime $then, $then, $file;
    return;
}

sub sync_directory {
    my ($path) = @_;
    open my $handle, '<', $path or die "cannot read $path: $!\n";
    # Some file systems have no fsync(2) for directories.
    $handle->sync or $!{EINVAL} or die "cannot write $path to the disk: $!\n";
    close $handle or die "cannot write $path to the disk: $!\n";
    return;
}

sub sync_file {
    my ($path) = @_;
    my $file = opened($path) // die "cannot read $path: $!\n";
    $file->sync or die "cannot write $path to the disk: $!\n";
    close $file or die "cannot write $path to the disk: $!\n";
    return;
}

sub sync_tree {
    my ($path) = @_;
    for my $below (map { "$path/$_" } names_in($path)) {
        if (-d $below) { sync_tree($below) }
        else           { sync_file($below) }
    }
    return sync_directory($path);
}

sub make_directories {
    my ($path, $mode) = @_;
    return if is_there($path);
    make_directories(directory_of($path), $mode);
    mkdir $path, $mode or $!{EEXIST} or die "cannot create $path: $!\n";
    return;
}

sub copy_below {
    my ($directory, $instead, @paths) = @_;
    my %in;
    push @{ $in{ directory_of($_) } }, $_ for grep { !exists $instead->{$_} && is_there($_) } @paths;
    # Not with one `cp --parents`: in coreutils 9.1, that treats absolute paths as relative ones.
    _copy("$directory$_", '-t', "$directory$_", q{--}, @{ $in{$_} }) for sort keys %in;
    for my $path (grep { defined $instead->{$_} } @paths) {
        _copy($directory . directory_of($path), q{--}, $instead->{$path}, "$directory$path");
    }
    return;
}

sub _copy {
    my ($into, @words) = @_;
    make_directories($into, $DIRECTORY_FOR_ITS_OWNER);
    my ($status, $said) = run('cp', '-a', @words);
    die "cannot keep a copy in $into: $said\n" if $status;
    # Somebody may have put something else in place of a file; it is copied as it is.
    for my $odd (grep { -l || !-f } map { "$into/$_" } names_in($into)) {
        die "cannot keep a copy in $into: " . name_of($odd) . " is no file any more\n" if !-d $odd || -l $odd;
    }
    return;
}

1;

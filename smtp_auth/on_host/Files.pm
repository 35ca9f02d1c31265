package SmtpAuth::Files;

# Reads files and directories; changes nothing (SmtpAuth::Writing does).
#
#   content_of PATH      a regular file's bytes; undef if it is something else, does not exist, or cannot be read
#   entries PATH         the names in a directory, sorted; none if it cannot be read
#   read_file PATH       a file's bytes; undef if it does not exist. Dies if it cannot be read, or is no regular file: what cannot
#                        be read is not absent
#   opened PATH          a handle of a regular file, for reading; undef if it does not exist. Dies if it is something else, or cannot
#                        be read
#   name_of_handle HANDLE  a path of an opened file, for the programs that this one starts. Nobody can replace what it leads to
#   names_in PATH        the names in a directory, sorted; none if it does not exist. Dies if it cannot be read
#   status_of PATH       what lstat(2) says of a path; nothing if it does not exist. Dies if nobody can tell
#   is_there PATH        whether a path exists, be it a dangling link. Dies if nobody can tell
#   is_link PATH         whether a path is a symbolic link. Dies if nobody can tell
#   files_below PATH     the files in a directory and below it: their paths relative to PATH, with a slash at the start. Dies if
#                        a directory cannot be read
#   directory_of PATH    the path without its last part
#   name_of PATH         its last part
#   identity_of PATH     a text that paths of the same file or directory have in common, links followed; undef if there is none.
#                        Dies if nobody can tell
#   is_same PATH, PATH   whether both paths are those of the same file or directory
#   permissions MODE     st_mode of stat(2) as people write it: 0644
#   user_name UID, group_name GID    the number itself if it has no name

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(O_NONBLOCK O_RDONLY S_ISLNK);

our @EXPORT_OK = qw(content_of entries files_below read_file opened name_of_handle names_in status_of is_there is_link
    directory_of name_of identity_of is_same permissions user_name group_name);

# Whoever may write to a directory may put a pipe there, or a file without an end.
my $MOST_BYTES = 64 * 1024 * 1024;

my $BYTES_AT_ONCE = 65_536;

sub content_of {
    my ($path) = @_;
    my $content;
    local $@ = q{};
    eval { $content = read_file($path); 1 } or return;
    return $content;
}

sub entries {
    my ($path) = @_;
    opendir my $handle, $path or return;
    my @names = sort grep { !/^[.][.]?$/x } readdir $handle;
    closedir $handle;
    return @names;
}

sub read_file {
    my ($path) = @_;
    my $file = opened($path) // return;
    my ($content, $read) = q{};
    while ($read = read $file, $content, $BYTES_AT_ONCE, length $content) {
        die "cannot read $path: it has more than $MOST_BYTES bytes\n" if length $content > $MOST_BYTES;
    }
    die "cannot read $path: $!\n" if !defined $read;
    return $content;
}

sub opened {
    my ($path) = @_;
    sysopen my $file, $path, O_RDONLY | O_NONBLOCK or return _unless_absent($path);
    -f $file or die "cannot read $path: it is no file\n";
    binmode $file;
    return $file;
}

# With the number of this process: in another one, /proc/self is that one's.
sub name_of_handle { my ($handle) = @_; return "/proc/$$/fd/" . fileno $handle }

sub names_in {
    my ($path) = @_;
    opendir my $handle, $path or return _unless_absent($path);
    local $! = 0;
    my @names = sort grep { !/^[.][.]?$/x } readdir $handle;
    die "cannot read $path: $!\n" if $!;
    closedir $handle;
    return @names;
}

sub status_of {
    my ($path) = @_;
    my @status = lstat $path;
    return @status ? @status : _unless_absent($path);
}

sub is_there {
    my ($path) = @_;
    my @status = status_of($path);
    return @status > 0;
}

sub is_link { my ($path) = @_; return S_ISLNK((status_of($path))[2] // 0) }

# Returns nothing if the error of the last call says that there is no such path; else dies.
sub _unless_absent {
    my ($path) = @_;
    # A link that leads to itself leads to no file.
    return if $!{ENOENT} || $!{ENOTDIR} || $!{ELOOP};
    die "cannot read $path: $!\n";
}

sub files_below {
    my ($path) = @_;
    my @files;
    my @directories = (q{});
    while (defined(my $directory = shift @directories)) {
        for my $found (map { "$directory/$_" } names_in("$path$directory")) {
            if (-d "$path$found") { push @directories, $found }
            else                  { push @files, $found }
        }
    }
    return @files;
}

sub directory_of { my ($path) = @_; return $path =~ s{/[^/]*$}{}xr }

sub name_of { my ($path) = @_; return $path =~ s{.*/}{}xsr }

sub identity_of {
    my ($path) = @_;
    my ($device, $inode) = stat $path;
    return "$device:$inode" if defined $device;
    # Whoever may not search a directory finds no file in it.
    _unless_absent($path) if !$!{EACCES};
    return;
}

sub is_same {
    my ($one, $other) = @_;
    my ($mine, $theirs) = (identity_of($one), identity_of($other));
    return defined $mine && defined $theirs && $mine eq $theirs;
}

sub permissions { my ($mode) = @_; return sprintf '%04o', $mode & oct '7777' }

sub user_name { my ($id) = @_; return scalar(getpwuid $id) // $id }

sub group_name { my ($id) = @_; return scalar(getgrgid $id) // $id }

1;

package SmtpAuth::Ways;

# The way to a file: the directories and links on it, who besides root may write to these directories, and the file itself.
# Somebody who may write to a directory can put a link, a pipe or an endless file in place of any name there, at any moment.
# So each part of the way is opened by its handle, and judged by what the handle says.
#
#   way_to PATH          goes the way to a path, which may be missing. Returns an object:
#     file MOST            a handle of the file, and undef; or undef, and why it is not read, to follow its path: "is no file".
#                          Both undef if it does not exist. MOST is how many bytes it may have
#     content MOST         its bytes, and undef; or undef, and why, as `file`
#     writers              who besides root may write to a directory on the way: a list for each,
#                          (DIRECTORY, KIND, NAME, "UID ACCOUNT"…); KIND is owner, group, everybody, or account
#
# Where only root may write, any regular file is read, and links are followed. Elsewhere, a file is read if it belongs to an
# account that owns one of these directories, because that account could read it anyway; or if its only name is there, and no
# link on the way is another account's than root's.

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_RDONLY S_ISDIR S_ISLNK S_ISREG);
use SmtpAuth::Files qw(content_of directory_of group_name user_name);

our @EXPORT_OK = qw(way_to);

# As many links as the kernel follows (path_resolution(7)).
my $MOST_LINKS = 40;

my ($FOR_GROUP, $FOR_EVERYBODY) = (oct '20', oct '2');

# getxattr(2) of 64-bit machines, by the kernel's name of the machine; and POSIX ACLs in its form (linux/posix_acl_xattr.h).
my %GETXATTR = (x86_64 => 191, aarch64 => 8, riscv64 => 8);
my ($USER, $GROUP_OF_OWNER, $GROUP) = (0x02, 0x04, 0x08);
my $LONGEST_ACL = 65_536;

# In addition to `path`, an object holds:
#   directories    a hash for each directory on the way: `path`, and `stat`, its status
#   others         the owners, but for root, of directories into which others may write
#   is_open        whether others than root may write to one of the directories
#   is_led         whether a link of somebody else than root leads on from there
#   handle, stat   those of the file; undef if there is none
#   odd            why there is none
sub way_to {
    my ($path) = @_;
    my $self = bless {path => $path, directories => [], others => {}, is_open => 0, is_led => 0}, __PACKAGE__;
    my @rest = split m{/}x, $path;
    my ($here, $at, $links) = (_opened(q{/}), q{}, 0);
    $self->_pass($here, q{/});
    while (defined(my $name = shift @rest)) {
        next if !length $name || $name eq q{.};
        my $next = _below($here, $name);
        my @stat = lstat $next or last;
        if (S_ISLNK($stat[2])) {
            return $self->_without('leads to too many links') if ++$links > $MOST_LINKS;
            my $target = readlink $next // last;
            # If somebody has replaced it meanwhile, its number is another one.
            my @again = lstat $next;
            return $self->_without('is being replaced') if !@again || $again[1] != $stat[1];
            $self->{is_led} ||= $self->{is_open} && $stat[4] != 0;
            ($here, $at) = (_opened(q{/}), q{}) if $target =~ m{^/}x;
            unshift @rest, split m{/}x, $target;
        }
        elsif (S_ISDIR($stat[2])) {
            $here = _opened($next) // return $self->_without("cannot be read ($!)");
            $at = $name eq q{..} ? directory_of($at) : "$at/$name";
            $self->_pass($here, length $at ? $at : q{/});
            return $self->_without('is no file') if !@rest;
        }
        else {
            return @rest ? $self : $self->_arrive($next, @stat);
        }
    }
    return $self;
}

sub _below { my ($handle, $name) = @_; return '/proc/self/fd/' . fileno($handle) . "/$name" }

sub _opened {
    my ($path) = @_;
    sysopen my $handle, $path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW or return;
    return $handle;
}

sub _pass {
    my ($self, $handle, $path) = @_;
    my @stat = stat $handle;
    push @{ $self->{directories} }, {path => $path, stat => \@stat};
    return if $stat[4] == 0 && !($stat[2] & ($FOR_GROUP | $FOR_EVERYBODY));
    $self->{is_open} = 1;
    $self->{others}{ $stat[4] } = 1 if $stat[4] != 0;
    return;
}

sub _without {
    my ($self, $why) = @_;
    $self->{odd} = $why;
    return $self;
}

sub _arrive {
    my ($self, $path, @seen) = @_;
    return $self->_without('is no file') if !S_ISREG($seen[2]);
    sysopen my $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return $self->_without("cannot be read ($!)");
    my @stat = stat $file;
    return $self->_without('is no file') if !S_ISREG($stat[2]);
    return $self->_without('belongs to somebody else than the directory that others may write to')
        if $self->{is_open} && !$self->{others}{ $stat[4] } && ($self->{is_led} || _has_other_names(@stat));
    @{$self}{qw(handle stat)} = ($file, \@stat);
    return $self;
}

# Where the kernel protects files, nobody gives one a second name who may not write to it (proc(5)).
sub _has_other_names {
    my @stat = @_;
    return $stat[3] > 1 && (content_of('/proc/sys/fs/protected_hardlinks') // q{}) !~ /^1/x;
}

sub file {
    my ($self, $most) = @_;
    return (undef, $self->{odd}) if !$self->{handle};
    return (undef, "has more than $most bytes") if $self->{stat}[7] > $most;
    return ($self->{handle}, undef);
}

sub content {
    my ($self, $most) = @_;
    my ($file, $why) = $self->file($most);
    return (undef, $why) if !$file;
    binmode $file;
    my $text = q{};
    # If it grows, it is read up to where it ended.
    my $read = read $file, $text, $self->{stat}[7];
    return defined $read ? ($text, undef) : (undef, "cannot be read ($!)");
}

sub writers {
    my ($self) = @_;
    my (@found, %is_listed);
    for my $directory (@{ $self->{directories} }) {
        my ($path, $stat) = @{$directory}{qw(path stat)};
        next if $is_listed{$path}++;
        my ($mode, $owner, $group) = @{$stat}[2, 4, 5];
        push @found, [$path, 'owner', user_name($owner), "$owner " . user_name($owner)] if $owner != 0;
        push @found, [$path, 'everybody', q{}] if $mode & $FOR_EVERYBODY;
        push @found, map { [$path, @{$_}] } _by_group($path, $group) if $mode & $FOR_GROUP;
    }
    return @found;
}

# Who may write to a directory by the permissions of its group, which are the mask of an ACL if it has one.
sub _by_group {
    my ($path, $group) = @_;
    my @acl = _acl_of($path) or return _group($group);
    my @found;
    for my $entry (@acl) {
        my ($tag, $allowed, $id) = @{$entry};
        next if !($allowed & $FOR_EVERYBODY);
        push @found, _group($tag == $GROUP ? $id : $group) if $tag == $GROUP || $tag == $GROUP_OF_OWNER;
        push @found, ['account', user_name($id), "$id " . user_name($id)] if $tag == $USER && $id != 0;
    }
    return @found;
}

# A group with its accounts: nothing if it has none but root.
sub _group {
    my ($id) = @_;
    my (undef, undef, undef, $members) = getgrgid $id;
    my %uid = map { $_ => scalar getpwnam $_ } split q{ }, $members // q{};
    while (my ($name, undef, $uid, $primary) = getpwent) {
        $uid{$name} = $uid if $primary == $id;
    }
    endpwent;
    my @accounts = map { "$uid{$_} $_" } grep { $uid{$_} } sort keys %uid;
    return @accounts ? ['group', group_name($id), @accounts] : ();
}

# The entries of a directory's ACL: tag, permissions, ID. None if it has none, or on a machine where nobody can tell.
sub _acl_of {
    my ($path) = @_;
    # It is slow to load, and few directories need it.
    require POSIX;
    my $call = $GETXATTR{ (POSIX::uname())[4] };
    return if !defined $call || length pack('L!', 0) != length pack 'Q', 0;
    my ($name, $value) = ("system.posix_acl_access\0", "\0" x $LONGEST_ACL);
    my $length = syscall $call, "$path\0", $name, $value, $LONGEST_ACL;
    return if $length <= 0;
    my (undef, @numbers) = unpack 'V(vvV)*', substr $value, 0, $length;
    my @entries;
    push @entries, [splice @numbers, 0, 3] while @numbers;
    return @entries;
}

1;

package SmtpAuth::Rehearsal;

# The rehearsal: before a change begins, the host's own programs check the new files.
#
# They read the new files at their real paths. For that, this program runs in a mount namespace of its own. There it mounts an
# overlay over each directory that gets a new file. The overlay shows the directory with the new files, which are in a tmpfs.
# No other process sees these mounts, and the kernel removes them with the last process in the namespace. If mounts are
# forbidden, the programs check copies of the files. That finds less, and a warning says so.
#
#   new INSTRUCTIONS, SERVICES   SERVICES is a hash of all services: key to SmtpAuth::Service
#   rehearse PRIVATE             prints a line "refused TAB SENTENCE" for each problem, perhaps lines "warning TAB SENTENCE",
#                                and "complete TAB 1". PRIVATE: this process is in a mount namespace of its own
#   refused_by PROGRAM           the sentences that `rehearse` prints as refused: the program in that file runs it in a
#                                namespace of its own, or without one if that is impossible

use strict;
use warnings;
use Cwd ();
use Fcntl qw(O_NONBLOCK O_RDONLY);
use POSIX ();
use SmtpAuth::Files qw(content_of directory_of name_of name_of_handle opened);
use SmtpAuth::Lines qw(answer pairs_in);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Writing qw(age create);

# How many bytes the change needs in addition to the files, for the record and a directory; and how many inodes.
my $ROOM = 256 * 1024;
my $INODES = 40;

# FS_IOC_GETFLAGS: _IOR('f', 1, long), and two of its flags (ioctl_iflags(2)).
my $EMPTY_FLAGS = pack 'l!', 0;
my $GET_FLAGS = 2 << 30 | length($EMPTY_FLAGS) << 16 | ord('f') << 8 | 1;
my ($IMMUTABLE, $APPEND) = (0x10, 0x20);

my $PERMISSIONS = oct '7777';
my $FOR_ITS_OWNER = oct '700';
my $FOR_EVERYBODY = oct '644';

sub new {
    my ($class, $instructions, $services) = @_;
    my $copies = $instructions->one('run') . "/smtp-auth-copies-$$";
    return bless {instructions => $instructions, services => $services, copies => $copies}, $class;
}

sub rehearse {
    my ($self, $private) = @_;
    my @refused = $self->_impossible;
    # If a directory cannot be written, the overlay would fail, too, and only repeat that.
    if (!@refused) {
        my $is_asked = eval { @refused = $self->_refused($private); 1 };
        my $why = $@;
        run('rm', '-rf', q{--}, $self->{copies}) if -e $self->{copies};
        die $why if !$is_asked;
    }
    answer('refused', $_) for @refused;
    answer('complete', 1);
    return;
}

sub refused_by {
    my ($self, $program) = @_;
    my @here = ($^X, $program, 'rehearse');
    my (undef, $said) = run('unshare', '--mount', '--propagation', 'private', @here, 'private');
    (undef, $said) = run(@here) if $said !~ /^complete\t/xm;
    return "the check of the new files did not finish:\n$said" if $said !~ /^complete\t/xm;
    return map { $_->[0] eq 'refused' ? $_->[1] : () } pairs_in($said);
}

# Why the files cannot be replaced: one is a mount point, a directory is missing, read-only or immutable, or a file system is
# full.
sub _impossible {
    my ($self) = @_;
    my $instructions = $self->{instructions};
    my @found = $self->_mounted;
    my @changed = $instructions->changed_files or return @found;
    my %needed;
    for my $key (@changed) {
        my $path = $instructions->path_of($key);
        my $directory = directory_of($path);
        if (!-d $directory && !$self->_service_of($key)->makes_directories) {
            push @found, "the directory $directory does not exist, so no program would read a file in it";
            next;
        }
        $directory = _existing($directory);
        push @found, _unwritable($directory, $path);
        $needed{$directory} += 2 * length($instructions->of_file($key, 'content') // q{});
    }
    my $record = _existing($instructions->one('record'));
    POSIX::access($record, POSIX::W_OK())
        or push @found, "$record cannot be written ($!), so the change cannot be recorded";
    my $units = _existing($instructions->one('units'));
    push @found, "$units cannot be written, so the host could not restore an interrupted change when it boots: make it writable"
        if !POSIX::access($units, POSIX::W_OK()) || _is_immutable($units);
    $needed{$_} += $ROOM for $record, $units, $instructions->one('run');
    return (@found, _full(\%needed));
}

# The kernel does not rename a file over a mount point, and does not delete one (rename(2), EBUSY).
sub _mounted {
    my ($self) = @_;
    my $instructions = $self->{instructions};
    my @paths = map { $instructions->path_of($_) } $instructions->changed_files;
    push @paths, map { $self->{services}{$_}->replaces } $instructions->all('service');
    my %is_mount_point = map { $_ => 1 } _mount_points();
    return map {
        "$_ is a mount point of its own (/proc/self/mountinfo), so the kernel does not let it be replaced: mount its directory "
            . 'instead, or run umount '
            . _as_word($_)
            . ' and delete the line in /etc/fstab that mounts it'
    } grep { $is_mount_point{$_} } map { _with_real_directory($_) } @paths;
}

# White space and backslashes are written as octal numbers (proc(5)).
sub _mount_points {
    my @lines = split /\n/x, content_of('/proc/self/mountinfo') // q{};
    return map { s/\\([0-7]{3})/chr oct $1/gxer } map { (split /[ ]/x)[4] } @lines;
}

# A path with the links of its directory resolved. A link that is itself replaced is no mount point.
sub _with_real_directory {
    my ($path) = @_;
    my $directory = Cwd::abs_path(directory_of($path)) // return $path;
    return "$directory/" . name_of($path);
}

sub _service_of {
    my ($self, $key) = @_;
    return $self->{services}{ $self->{instructions}->of_file($key, 'service') };
}

# The directory, or the lowest one above it that exists.
sub _existing {
    my ($directory) = @_;
    $directory = directory_of($directory) while !-d $directory;
    return $directory;
}

sub _unwritable {
    my ($directory, $path) = @_;
    if (my ($where) = grep { _is_immutable($_) } $directory, $path) {
        return "$where is immutable or append-only (lsattr shows it): run chattr -i -a "
            . _as_word($where)
            . ' on the host';
    }
    return if POSIX::access($directory, POSIX::W_OK());
    return "$directory cannot be written ($!), so $path cannot be replaced";
}

sub _is_immutable {
    my ($path) = @_;
    sysopen my $file, $path, O_RDONLY | O_NONBLOCK or return 0;
    my $flags = $EMPTY_FLAGS;
    # Some file systems have no such flags.
    my $is_known = ioctl $file, $GET_FLAGS, $flags;
    close $file or return 0;
    return $is_known && (unpack('l!', $flags) & ($IMMUTABLE | $APPEND)) != 0;
}

# A word of a command that a reader is asked to copy.
sub _as_word {
    my ($word) = @_;
    return $word if $word =~ m{^[\w@%+=:,./-]+$}xa;
    return q{'} . $word =~ s/'/'"'"'/gxr . q{'};
}

sub _full {
    my ($needed) = @_;
    my @directories = sort keys %{$needed};
    # Free blocks and their size, all inodes (0: the file system has no fixed number) and free inodes.
    my (undef, $said) = run('stat', '-f', '--format=%f %S %c %d', q{--}, @directories);
    my @found;
    for my $line (split /\n/x, $said) {
        my $directory = shift @directories;
        my ($blocks, $size, $inodes, $free) = $line =~ /^(\d+)[ ](\d+)[ ](\d+)[ ](\d+)$/x or next;
        push @found, "the file system of $directory is full"
            if $blocks * $size < $needed->{$directory} || ($inodes && $free < $INODES);
    }
    return @found;
}

# The sentences with which the programs of the services refuse the new files.
sub _refused {
    my ($self, $private) = @_;
    my @services = map { $self->{services}{$_} } $self->{instructions}->all('service');
    $_->before for @services;
    my $in_place = $private && $self->_show_in_place;
    my $place = $in_place ? $self->{instructions}->one('scratch') : $self->_copy;
    my @found;
    for my $service (@services) {
        my @said = $service->refused($place, $in_place);
        push @found, map { $service->name . " refuses the new configuration: $_" } @said;
    }
    return @found;
}

# Mounts an overlay over each directory that gets a new file; returns whether that was possible.
sub _show_in_place {
    my ($self) = @_;
    my $instructions = $self->{instructions};
    my %new;
    for my $key (grep { $self->_service_of($_)->is_asked_in_place } $instructions->changed_files) {
        push @{ $new{ directory_of($instructions->path_of($key)) } }, $key;
    }
    my $scratch = $instructions->one('scratch');
    return 0 if (run('mount', '-t', 'tmpfs', '-o', 'mode=0700', 'tmpfs', $scratch))[0];
    my $number = 0;
    for my $directory (sort keys %new) {
        # These characters separate the mount's options.
        return 0 if $directory =~ /[,:\\]/x;
        my ($upper, $work) = map { "$scratch/$number.$_" } qw(upper work);
        $number++;
        mkdir $upper and mkdir $work or return 0;
        my $options = "lowerdir=$directory,upperdir=$upper,workdir=$work";
        return 0 if (run('mount', '-t', 'overlay', 'overlay', '-o', $options, $directory))[0];
        $self->_put($_, $instructions->path_of($_)) for @{ $new{$directory} };
    }
    return 1;
}

# A directory with all new files, and copies of the others.
sub _copy {
    my ($self) = @_;
    my ($instructions, $copies) = @{$self}{qw(instructions copies)};
    mkdir $copies, $FOR_ITS_OWNER or die "cannot create $copies: $!\n";
    answer('warning', q{mounts are forbidden here, so the host's programs checked only copies of the new files, }
            . 'and not the files that include them or name their paths');
    for my $key ($instructions->files) {
        my $path = $instructions->path_of($key);
        my $copy = "$copies/" . $self->_service_of($key)->name_of_copy($key);
        if ($instructions->is_changed($key)) { $self->_put($key, $copy) }
        elsif (my $file = opened($path)) { run('cp', '--preserve=timestamps', q{--}, name_of_handle($file), $copy) }
    }
    return $copies;
}

# Writes a new version, with the permissions of the file that it replaces.
sub _put {
    my ($self, $key, $path) = @_;
    my $mode = (stat $path)[2];
    unlink $path;
    return if $self->{instructions}->is_deleted($key);
    age(create($path, $self->{instructions}->of_file($key, 'content'),
        defined $mode ? $mode & $PERMISSIONS : $FOR_EVERYBODY));
    return;
}

1;

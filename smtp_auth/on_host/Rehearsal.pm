package SmtpAuth::Rehearsal;

# The rehearsal: what stands in the way of a change, asked of the host's own programs before it begins.
#
# They read the new files at their real paths: in a mount namespace of its own, this program covers each directory
# that gets a new file by an overlay, which shows the directory with the new files in it and keeps them in a tmpfs.
# Nobody else sees either, and both vanish with the last process in the namespace. Where the mounts are forbidden,
# the programs are asked about copies, which is less: a warning says so.
#
#   new INSTRUCTIONS, SERVICES   SERVICES is a hash of all services: key to SmtpAuth::Service
#   rehearse PRIVATE             prints one "refused TAB SENTENCE" for each thing that stands in the way, perhaps a
#                                "warning TAB SENTENCE", and "complete TAB 1". PRIVATE says that this process is in a
#                                mount namespace of its own
#   refused_by PROGRAM           what `rehearse` says is refused when the program in that file does it in a namespace of
#                                its own, or here if there can be none; a sentence each

use strict;
use warnings;
use POSIX ();
use SmtpAuth::Files qw(directory_of);
use SmtpAuth::Lines qw(answer pairs_in);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Writing qw(age create);

# How many bytes the change needs beside the files themselves: the record, and room for a directory; and how many inodes.
my $ROOM = 256 * 1024;
my $INODES = 8;

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
    # An overlay over a directory in which nothing can be written would only repeat it.
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
    return "the check came to no end:\n$said" if $said !~ /^complete\t/xm;
    return map { $_->[0] eq 'refused' ? $_->[1] : () } pairs_in($said);
}

# Why the new files could not be put in place: read-only, immutable, full.
sub _impossible {
    my ($self) = @_;
    my $instructions = $self->{instructions};
    my @changed = $instructions->changed_files or return;
    my (@found, %needed);
    for my $key (@changed) {
        my $path = $instructions->path_of($key);
        my $directory = directory_of($path);
        if (!-d $directory && !$self->_service_of($key)->makes_directories) {
            push @found, "the directory $directory does not exist, so nothing reads a file there";
            next;
        }
        $directory = _existing($directory);
        push @found, _unwritable($directory, $path);
        $needed{$directory} += 2 * length($instructions->of_file($key, 'content') // q{});
    }
    my $record = _existing($instructions->one('record'));
    POSIX::access($record, POSIX::W_OK())
        or push @found, "$record cannot be written ($!): no record can be kept there";
    $needed{$_} += $ROOM for $record, $instructions->one('run');
    return (@found, _full(\%needed));
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
    return "$directory cannot be written ($!): $path cannot be replaced";
}

sub _is_immutable {
    my ($path) = @_;
    open my $file, '<', $path or return 0;
    my $flags = $EMPTY_FLAGS;
    # Not every file system has such flags.
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
    # Free blocks and their size, all inodes (0: the file system makes them as it goes) and the free ones.
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

# What the programs of the services have against the new files.
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

# Covers each directory that gets a new file; whether that was possible.
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
        # The separators of the mount's options.
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
    mkdir $copies, $FOR_ITS_OWNER or die "cannot make $copies: $!\n";
    answer('warning', q{mounts are forbidden here, so the host's programs were asked about copies of the new }
            . 'files: not about what includes them or reads them by their path');
    for my $key ($instructions->files) {
        my $path = $instructions->path_of($key);
        my $copy = "$copies/" . $self->_service_of($key)->name_of_copy($key);
        if ($instructions->is_changed($key)) { $self->_put($key, $copy) }
        elsif (-e $path)                     { run('cp', '--preserve=timestamps', q{--}, $path, $copy) }
    }
    return $copies;
}

# A new version, with the permissions of the file in whose place it is put.
sub _put {
    my ($self, $key, $path) = @_;
    my $mode = (stat $path)[2];
    unlink $path;
    return if $self->{instructions}->is_deleted($key);
    create($path, $self->{instructions}->of_file($key, 'content'),
        defined $mode ? $mode & $PERMISSIONS : $FOR_EVERYBODY);
    age($path);
    return;
}

1;

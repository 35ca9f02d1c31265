# The rehearsal: what stands in the way of a change, asked of the host's own programs before it begins.
#
# They read the new files at their real paths: in a mount namespace of its own, this program covers each directory
# that gets a new file by an overlay, which shows the directory with the new files in it and keeps them in a tmpfs.
# Nobody else sees either, and both vanish with the last process in the namespace. Where the mounts are forbidden,
# the programs are asked about copies, which is less: a warning says so.

# How many bytes the change needs beside the files themselves: the record, and room for a directory.
use constant ROOM => 256 * 1024;

# rehearse PRIVATE: prints one "refused TAB SENTENCE" for each thing that stands in the way, perhaps a
# "warning TAB SENTENCE", and "complete TAB 1".
#   PRIVATE   whether this process is in a mount namespace of its own
sub rehearse {
    my ($private) = @_;
    my @refused = impossible();
    # An overlay over a directory in which nothing can be written would only repeat it.
    push @refused, refused($private) unless @refused;
    answer("refused", $_) for @refused;
    answer("complete", 1);
}

# What `rehearse` says when it runs in a namespace of its own, or here if there can be none.
sub rehearsed {
    my @here = ($^X, $0, "rehearse");
    my (undef, $said) = run("unshare", "--mount", "--propagation", "private", @here, "private");
    (undef, $said) = run(@here) unless $said =~ /^complete\t/m;
    return "the check came to no end:\n$said" unless $said =~ /^complete\t/m;
    return map { s/%([0-9A-F]{2})/chr hex $1/ger } $said =~ /^refused\t(.*)$/mg;
}

# Why the new files could not be put in place: read-only, immutable, full.
sub impossible {
    my @found;
    my %needed;
    for my $key (changed_files()) {
        my $path = path_of($key);
        my $directory = directory_of($path);
        if (!-d $directory) {
            if ($order{"file.$key.service"} ne "certbot's deploy hook") {
                push @found, "the directory $directory does not exist, so nothing reads a file there";
                next;
            }
            # certbot makes it when it first runs, and so does a change.
            $directory = directory_of($directory) until -d $directory;
        }
        if (my ($where) = grep { is_immutable($_) } $directory, $path) {
            push @found, "$where is immutable or append-only (lsattr shows it): "
                . "run chattr -i -a " . quoted($where) . " on the host";
        } elsif (!POSIX::access($directory, POSIX::W_OK())) {
            push @found, "$directory cannot be written ($!): $path cannot be replaced";
        }
        $needed{$directory} += 2 * length($order{"file.$key.content"} // "") if -d $directory;
    }
    return @found unless changed_files();
    my $record = $order{record};
    $record = directory_of($record) until -d $record;
    POSIX::access($record, POSIX::W_OK())
        or push @found, "$record cannot be written ($!): no record can be kept there";
    $needed{$record} += ROOM;
    $needed{$order{run}} += ROOM;
    return (@found, full(\%needed));
}

# FS_IOC_GETFLAGS: _IOR('f', 1, long), and two of its flags (ioctl_iflags(2)).
use constant {FS_IMMUTABLE_FL => 0x10, FS_APPEND_FL => 0x20};

sub is_immutable {
    my ($path) = @_;
    open my $file, "<", $path or return 0;
    my $flags = pack "l!", 0;
    my $request = 2 << 30 | length($flags) << 16 | ord("f") << 8 | 1;
    # Not every file system has such flags.
    return 0 unless ioctl $file, $request, $flags;
    return (unpack("l!", $flags) & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0;
}

sub full {
    my ($needed) = @_;
    my @directories = sort keys %$needed;
    # Free blocks and their size, all inodes (0: the file system makes them as it goes) and the free ones.
    my (undef, $said) = run("stat", "-f", "--format=%f %S %c %d", "--", @directories);
    my @found;
    for my $line (split /\n/, $said) {
        my $directory = shift @directories;
        my ($blocks, $size, $inodes, $free) = $line =~ /^(\d+) (\d+) (\d+) (\d+)$/ or next;
        push @found, "the file system of $directory is full"
            if $blocks * $size < $needed->{$directory} || ($inodes && $free < 8);
    }
    return @found;
}

# What the programs of the services have against the new files.
sub refused {
    my ($private) = @_;
    my %before = map { $_ => [$part{$_}{before} ? $part{$_}{before}->() : ()] } all("service");
    my $in_place = $private && shown_in_place();
    my $place = $in_place ? $order{scratch} : copies();
    my @found;
    for my $service (all("service")) {
        my @said = $part{$service}{refused}->($place, $in_place, @{ $before{$service} });
        push @found, map { "$service refuses the new configuration: $_" } @said;
    }
    return @found;
}

# Cover each directory that gets a new file; whether that was possible.
sub shown_in_place {
    my %new;
    for my $key (grep { $order{"file.$_.service"} ne "certbot's deploy hook" } changed_files()) {
        push @{ $new{ directory_of(path_of($key)) } }, $key;
    }
    my $scratch = $order{scratch};
    return 0 if (run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", $scratch))[0];
    my $number = 0;
    for my $directory (sort keys %new) {
        # The separators of the mount's options.
        return 0 if $directory =~ /[,:\\]/;
        my ($upper, $work) = map { "$scratch/$number.$_" } qw(upper work);
        $number++;
        mkdir $upper and mkdir $work or return 0;
        my $options = "lowerdir=$directory,upperdir=$upper,workdir=$work";
        return 0 if (run("mount", "-t", "overlay", "overlay", "-o", $options, $directory))[0];
        put_new($_, path_of($_)) for @{ $new{$directory} };
    }
    return 1;
}

my $copies;

# A directory with copies of Postfix's two files and of all new files; it vanishes at the end.
sub copies {
    $copies = "$order{run}/smtp-auth-copies-$$";
    mkdir $copies, 0700 or die "cannot make $copies: $!\n";
    answer("warning", "mounts are forbidden here, so the host's programs were asked about copies of the new "
        . "files: not about what includes them or reads them by their path");
    for my $key (files()) {
        my $path = path_of($key);
        my ($name) = $order{"file.$key.service"} eq "Postfix" ? $path =~ m{([^/]*)$} : $key;
        if (is_changed($key)) { put_new($key, "$copies/$name") }
        elsif (-e $path) { run("cp", "--preserve=timestamps", "--", $path, "$copies/$name") }
    }
    return $copies;
}

END { run("rm", "-rf", "--", $copies) if defined $copies }

sub put_new {
    my ($key, $path) = @_;
    return unlink $path if goes($key);
    write_file($path, $order{"file.$key.content"});
    age($path);
}

# Postfix waits until a file is two seconds old, in case it is still being written. Ours is whole.
sub age { my ($path) = @_; utime time - 3, time - 3, $path }

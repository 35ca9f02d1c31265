# The record of changes, readable by root alone:
#
#   changes/ID/manifest.json   who changed what, from which version of this program, with which outcome
#   changes/ID/before/PATH     each file that the change replaced, as it was
#   changes/ID/after/PATH      each file that it wrote, as it wrote it; without its mode
#   changes/ID/previous/PATH   what an earlier version of this program had kept beside PATH
#   baseline/files.json        each managed file as it was before the first change of it: digest, mode, owner
#   baseline/files/PATH        and its content
#   baseline/parameters.json   each Postfix parameter as it was first seen
#   baseline/unrecorded        if an earlier version of this program, which kept no record, had been there before
#   last                       what became of the last change, as it was answered; of a reload alone, too
#   pruned                     when the newest live change that is no longer kept began, and its ID
#
# Outcomes: live (proved), refused (nothing was touched), put back (it did not serve; what was before does),
# failed (it does not serve, and there is nothing to put back, or that does not serve either), unfinished (it
# runs, or the host has lost its power meanwhile). The baseline is never thrown away.

# What an earlier change left unproved, because the host lost its power: path to what is kept of it.
our %unproved;

# How many changes stay: so many that went live, and so many others.
use constant KEPT => 20;

sub record_of { return join "/", $order{record}, @_ }
sub folder { return record_of("changes", $order{id}) }

# begin_record: what is there before the first file is touched. Dies where that cannot be written.
sub begin_record {
    make_directories(folder());
    write_manifest("manifest.json", "unfinished", "");
    # A change goes live with a rename, which needs no space.
    write_manifest("manifest.live", "live", "");
    copy_proved(folder() . "/before", changed_files());
    for my $key (new_files()) {
        my $after = folder() . "/after" . path_of($key);
        make_directories(directory_of($after));
        write_file($after, $order{"file.$key.content"}, 0600);
    }
    keep_baseline();
    sync_directory(folder());
}

# This moment makes the change live: what is not put back by now stays.
sub record_live {
    return unless changed_files();
    rename folder() . "/manifest.live", folder() . "/manifest.json" or die "cannot write the record: $!\n";
    sync_directory(folder());
}

# What does not serve before a change is not asked to serve once it is put back, or undone. Nobody has to be asked where
# the last change has proved it, and its files are as it wrote them.
sub find_unserved {
    my @ids = grep { outcome_of($_) eq "live" } changes();
    return if @ids && on_record($ids[-1], "submissions_proved") && !edited_since($ids[-1]);
    $order{unserved} = join " ", map { $part{$_}{unserved} ? $part{$_}{unserved}->() : () } all("service");
}

sub edited_since {
    my ($id) = @_;
    my $after = record_of("changes", $id, "after");
    for my $path (map { path_of($_) } files()) {
        my $written = content_of($after . $path);
        return 1 if defined $written && $written ne (content_of($path) // "");
    }
    return 0;
}

sub unserved { return split / /, $order{unserved} //= on_record($order{id}, "unserved") }

# Whether the newest change on record went live.
sub last_is_live { my @ids = changes(); return @ids && outcome_of($ids[-1]) eq "live" }

# The oldest first, by the clock of this host: an ID is by that of a controller.
sub changes {
    opendir my $handle, record_of("changes") or return;
    my %began = map { $_ => on_record($_, "began") } grep { !/^\./ } readdir $handle;
    return sort { $began{$a} cmp $began{$b} || $a cmp $b } keys %began;
}

sub outcome_of { return on_record($_[0], "outcome") || "unfinished" }

# What the manifest of a change has for a key.
sub on_record {
    my ($id, $key) = @_;
    my $text = content_of(record_of("changes", $id, "manifest.json")) || "";
    return $text =~ /^"\Q$key\E": "([^"]*)"/m ? $1 : "";
}

# record_end OUTCOME, SAID: for the folder, for whoever waits for it, and for the journal.
sub record_end {
    my ($outcome, $said) = @_;
    eval {
        if (changed_files() && $outcome ne "live") {
            make_directories(folder());
            write_manifest("manifest.json", $outcome, $said);
            unlink folder() . "/manifest.live";
        }
        make_directories(record_of());
        my @lines = (as_line("id", $order{id}), as_line("said", $said), as_line("outcome", $outcome));
        write_file(record_of("last.new"), join("", @lines), 0600);
        rename record_of("last.new"), record_of("last");
        prune();
    };
    my $journal = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => "/dev/log") or return;
    my $what = changed_files() ? "change" : "reload";
    # Facility daemon, severity info (RFC 3164).
    print $journal "<30>smtp-auth: $what $order{id} by $order{ssh_user} ($order{controller}): $outcome";
}

# What earlier versions of this program kept beside the files is kept here from now on.
sub collect_previous {
    my @there = grep { -e } map { path_of($_) . ".previous~" } files();
    return unless @there;
    copy_to(folder() . "/previous", @there);
    unlink @there;
}

sub keep_baseline {
    my %known = map { $_ => 1 } names_in(record_of("baseline", "files.json"));
    my @new = grep { !$known{ json(path_of($_)) } } files();
    make_directories(record_of("baseline"));
    write_file(record_of("baseline", "unrecorded"), "") if $order{unrecorded} && !%known;
    copy_proved(record_of("baseline", "files"), @new);
    add_lines(record_of("baseline", "files.json"), map { json(path_of($_)) . ": " . proved_as($_) } @new);
    add_lines(record_of("baseline", "parameters.json"), all("first_seen"));
}

# add_lines FILE, LINE…: adds `"NAME": VALUE` to the JSON object `first_seen` of a file, unless it has the name.
sub add_lines {
    my ($path, @new) = @_;
    my @lines = lines_in($path);
    my %known = map { $_ => 1 } names_in($path);
    my @added = grep { my ($name) = /^("(?:[^"\\]|\\.)*"): /; !$known{$name}++ } @new;
    return unless @added;
    my $text = join ",\n", @lines, @added;
    write_file("$path.new", qq({"version": 1, "first_seen": {\n$text\n}}\n), 0600);
    rename "$path.new", $path or die "cannot write $path: $!\n";
}

sub lines_in { return map { /^(".*?),?$/ ? $1 : () } split /\n/, content_of($_[0]) || "" }
sub names_in { return map { /^("(?:[^"\\]|\\.)*"): / ? $1 : () } lines_in($_[0]) }

# The manifest: what the orders say of the change, and what only the host knows.
sub write_manifest {
    my ($name, $outcome, $said) = @_;
    my $text = $order{manifest} =~ s/\s*\}\s*\z//r;
    my %more = (ssh_user => $order{ssh_user}, began => $order{began_at}, outcome => $outcome, said => $said);
    $more{unserved} = join " ", unserved();
    $text .= join "", map { ",\n" . json($_) . ": " . json($more{$_}) } sort keys %more;
    write_file(folder() . "/$name", "$text\n}\n", 0600);
}

sub json {
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/g;
    $text =~ s/([^ -~])/sprintf "\\u%04x", ord $1/ge;
    return qq("$text");
}

# copy_proved DIRECTORY, KEY…: copies of the files' versions that were proved last, as far as they existed.
sub copy_proved {
    my ($directory, @keys) = @_;
    copy_to($directory, grep { -e && !$unproved{$_} } map { path_of($_) } @keys);
    for my $path (grep { $unproved{$_} && !was_none($unproved{$_}) } map { path_of($_) } @keys) {
        make_directories($directory . directory_of($path));
        my ($status, $said) = run("cp", "-a", "--", $unproved{$path}, $directory . $path);
        die "cannot keep a copy below $directory: $said\n" if $status;
    }
}

# Digest, mode and owner of a file's version that was proved last, in JSON.
sub proved_as {
    my ($key) = @_;
    my $kept = $unproved{ path_of($key) };
    return $order{"file.$key.seen_as"} unless defined $kept;
    return "null" if was_none($kept);
    my %digest = digests_of($kept);
    my @stat = stat $kept;
    my ($user, $group) = (scalar getpwuid $stat[4], scalar getgrgid $stat[5]);
    my @parts = ([sha256 => $digest{$kept}], [mode => sprintf "%04o", $stat[2] & 07777]);
    push @parts, [user => $user // $stat[4]], [group => $group // $stat[5]];
    return "{" . join(", ", map { json($_->[0]) . ": " . json($_->[1]) } @parts) . "}";
}

# Copies with their whole path below a directory; mode, owner and times stay.
sub copy_to {
    my ($directory, @files) = @_;
    my %from;
    push @{ $from{ directory_of($_) } }, $_ for @files;
    for my $from (sort keys %from) {
        # Not all at once with --parents: coreutils 9.1 then takes absolute paths for relative ones.
        make_directories($directory . $from);
        my ($status, $said) = run("cp", "-a", "-t", $directory . $from, "--", @{ $from{$from} });
        die "cannot keep a copy below $directory: $said\n" if $status;
    }
}

sub make_directories {
    my ($directory) = @_;
    return if -d $directory;
    make_directories(directory_of($directory));
    mkdir $directory, 0700 or -d $directory or die "cannot make $directory: $!\n";
}

# The newest version of each file stays: whoever takes it back has to know what was written. So does what an earlier
# version had kept.
sub prune {
    my (%kept, @old, %known);
    for my $id (reverse changes()) {
        my $is_live = outcome_of($id) eq "live";
        my @new = $is_live ? grep { !$known{$_}++ } files_in($id) : ();
        push @old, $id if ++$kept{$is_live} > KEPT && !@new && !-d record_of("changes", $id, "previous");
    }
    return unless @old;
    my ($newest) = map { on_record($_, "began") . " $_\n" } grep { outcome_of($_) eq "live" } @old;
    my $known = content_of(record_of("pruned")) // "";
    write_file(record_of("pruned"), $newest, 0600) if defined $newest && $newest gt $known;
    run("rm", "-rf", "--", map { record_of("changes", $_) } @old);
}

# The paths of the files that a change has written or removed, in JSON.
sub files_in {
    my ($files) = (content_of(record_of("changes", $_[0], "manifest.json")) || "") =~ /^"files": (.*)$/m;
    return ($files // "") =~ /"real_path": ("(?:[^"\\]|\\.)*")/g;
}

# A change of configuration files as one transaction: lock, compare, rehearse, record, stage; then service by
# service swap, reload, prove; or put everything back, the last service first. The files of a service are swapped
# after the service before it was proved: an smtpd that offers AUTH and finds no listener of Dovecot's would die.
#
# It may be killed anywhere. systemd then runs this program again, to put back what was not proved; and if the
# host loses its power, the next change goes by the files. These may stand beside a file NAME:
#
#   .NAME.smtp-auth-new~       the new version, until it is swapped in
#   .NAME.smtp-auth-old-SHA~   the version before, until the one with digest SHA is proved
#   .NAME.smtp-auth-none-SHA~  the same, where there was no file
#
# The "~" at the end keeps certbot from running them and Dovecot from reading them.

# The managed files' contents as this change found them, by key.
my %found;

my @made_directories;

# Whether this change holds the lock: without it, what stands beside the files is another's.
my $locked = 0;

# Whether a service was reloaded.
my $touched = 0;

# Whether another process had begun to swap, or to put back, and was killed.
my $cut_short = 0;

# change: ends with the outcome on record.
sub change {
    my $now = now();
    eval { began($now); prepare(); 1 } or return refuse("$@");
    eval { go_live($_) for all("service"); record_live(); 1 } or return undo("$@");
    clean();
    commit_of_ours() if changed_files();
    finish("live", "");
}

# put_back: what a change that was killed has not proved. ExecStopPost runs it.
sub put_back {
    take_lock(LOCK_EX);
    if (changed_files() && outcome_of($order{id}) eq "live") {
        clean();
        return finish("live", "");
    }
    $cut_short = reached();
    undo("the change was cut short\n");
}

sub prepare {
    take_lock(LOCK_EX | LOCK_NB)
        or die "another deploy is at work on this host; nothing was changed, run again when it has ended\n";
    my %digest = digests_of(map { path_of($_) } files());
    sort_out_leftovers(\%digest);
    for my $key (files()) {
        my $path = path_of($key);
        $found{$key} = content_of($path);
        die "$path was changed since the plan; nothing was done, run again to take that into account\n"
            if -l $path || ($digest{$path} || "") ne $order{"file.$key.seen"};
    }
    # A change may have died in a reload that ended the service.
    for my $service (grep { is_reloaded($_) && !%unproved } all("service")) {
        $part{$service}{running}->() or die "$service does not run any more; nothing was changed\n";
    }
    my @refused = rehearsed();
    die join("\n", @refused), "\n" if @refused;
    return unless changed_files();
    find_unserved() unless %unproved;
    commit_of_others();
    begin_record();
    stage($_) for new_files();
}

sub take_lock {
    my ($how) = @_;
    # A crash releases it: no other process inherits this handle.
    our $lock;
    open $lock, "<", $order{lock} or die "cannot open $order{lock}: $!\n";
    return $locked = flock $lock, $how;
}

# -- beside a file ------------------------------------------------------------------------------------

sub beside {
    my ($path, $what) = @_;
    my ($name) = $path =~ m{([^/]*)$};
    return directory_of($path) . "/.$name.smtp-auth-$what~";
}

# What is kept of a file, if anything is.
sub kept {
    my ($path) = @_;
    my ($name) = $path =~ m{([^/]*)$};
    opendir my $handle, directory_of($path) or return;
    my ($found) = grep { /^\.\Q$name\E\.smtp-auth-(?:old|none)-[0-9a-f]*~$/ } readdir $handle;
    return defined $found ? directory_of($path) . "/$found" : undef;
}

sub was_none { return $_[0] =~ /\.smtp-auth-none-[0-9a-f]*~$/ }

sub is_same_file {
    my ($one, $two) = map { [stat] } @_;
    return @$one && @$two && "@$one[0, 1]" eq "@$two[0, 1]";
}

# What an earlier change left because it died: a new version that was never swapped in, or an old one.
sub sort_out_leftovers {
    my ($digest) = @_;
    # Of version 0.1.
    run("rm", "-rf", "--", "$order{run}/smtp-auth-stage") if -d "$order{run}/smtp-auth-stage";
    for my $path (map { path_of($_) } files()) {
        unlink beside($path, "new");
        my $kept = kept($path);
        next unless defined $kept;
        my ($its) = $kept =~ /-([0-9a-f]*)~$/;
        if ($its eq ($digest->{$path} || "") && !last_is_live()) { $unproved{$path} = $kept }
        else { drop($path, $kept) }
    }
}

# Stop keeping the old version of a file. The file stays: it was never swapped, is proved, or was edited.
sub drop {
    my ($path, $kept) = @_;
    if (was_none($kept) || is_same_file($kept, $path) || last_is_live()) { unlink $kept }
    else { rename $kept, "$path.previous~" }
}

sub stage {
    my ($key) = @_;
    my $path = path_of($key);
    my $new = beside($path, "new");
    make_directory_for($path);
    if (-e $path) {
        # With owner, ACL and whatever else a file has.
        my ($status, $said) = run("cp", "-a", "--", $path, $new);
        die "cannot write beside $path: $said\n" if $status;
    }
    my $mode = $order{"file.$key.mode"};
    write_file($new, $order{"file.$key.content"}, $mode ? oct $mode : undef);
    age($new);
}

sub make_directory_for {
    my $directory = directory_of($_[0]);
    return if -d $directory;
    make_directory_for($directory);
    mkdir $directory or die "cannot make $directory: $!\n";
    unshift @made_directories, $directory;
}

# Give the present version a second name. What an earlier change has kept stays instead.
sub keep {
    my ($key) = @_;
    my $path = path_of($key);
    my $before = $unproved{$path};
    my $none = defined $before ? was_none($before) : !-e $path;
    my $name = beside($path, ($none ? "none-" : "old-") . $order{"file.$key.digest"});
    if (defined $before) { rename $before, $name or die "cannot keep what was before $path: $!\n" }
    elsif ($none) { write_file($name, "") }
    else { link $path, $name or die "cannot keep the present version of $path (is it immutable?): $!\n" }
}

# -- service by service -------------------------------------------------------------------------------

# go_live SERVICE: swap its files, reload it, prove it.
sub go_live {
    my ($service) = @_;
    reach($service);
    swap($_) for grep { is_changed($_) } files_of($service);
    eval {
        if (is_reloaded($service)) { $touched = 1; $part{$service}{reload}->() }
        $part{$service}{prove}->() if is_reloaded($service) || !$part{$service}{reload};
        1;
    } or die "$service does not serve with this configuration:\n$@";
}

sub swap {
    my ($key) = @_;
    my $path = path_of($key);
    my $content = content_of($path);
    die "$path was changed since the plan; run again to take that into account\n"
        if -l $path || defined $content != defined $found{$key} || ($content // "") ne ($found{$key} // "");
    # Not earlier: a second name changes the file's ctime, by which a look judges whether a reload is due.
    keep($key);
    if (goes($key)) { unlink $path or die "cannot remove $path: $!\n" }
    else { rename beside($path, "new"), $path or die "cannot replace $path: $!\n" }
    sync_directory(directory_of($path));
}

# What has to be known after a kill is in files beside this program: when the change began, in seconds since 1970,
# and the services that it has reached, in their order.
sub began {
    my ($when) = @_;
    write_file(directory_of($0) . "/began", $when) if defined $when;
    return content_of(directory_of($0) . "/began") || time;
}

sub reached { return split /\n/, content_of(directory_of($0) . "/reached") || "" }

sub reach {
    my ($service) = @_;
    write_file(directory_of($0) . "/reached", join "", map { "$_\n" } reached(), $service);
}

# -- the end ------------------------------------------------------------------------------------------

# Nothing was swapped: take away what was made.
sub refuse {
    my ($why) = @_;
    unswapped();
    chomp $why;
    finish("refused", $why . ($why =~ /nothing was (?:changed|done)/ ? "" : "; nothing was changed"));
}

sub unswapped {
    return unless $locked;
    release($_) for files();
    rmdir for @made_directories;
}

# release KEY: take away what stands beside a file that was not swapped, or is not ours any more.
sub release {
    my ($key) = @_;
    my $path = path_of($key);
    unlink beside($path, "new");
    my $kept = kept($path);
    return unless defined $kept;
    if (defined $unproved{$path}) { rename $kept, $unproved{$path} }
    else { drop($path, $kept) }
}

# undo WHY: put back what was swapped, the last service first, and prove what is back.
sub undo {
    my ($why) = @_;
    my $log = log_lines();
    my ($restored, @worse);
    for my $service (reverse reached()) {
        my $some = 0;
        # Before the reload: both change the file's ctime, by which a look judges whether one is due.
        for (files_of($service)) {
            eval { restore($_) ? $some = 1 : release($_); 1 } or $some = push @worse, "$@";
        }
        # Of a service that was put back already, nobody knows whether it was also reloaded.
        $some ||= $cut_short;
        $restored ||= $some;
        next unless $some && $part{$service}{bring_back};
        eval { $part{$service}{bring_back}->(); $part{$service}{prove_old}->(); 1 } or push @worse, "$@";
    }
    return refuse($why) unless $restored || $touched;
    unswapped();
    chomp $why;
    my $said = "$why\n$log";
    return finish("failed", $said) unless $restored;
    return finish("put back", "${said}The old configuration is back and serves.") unless @worse;
    chomp @worse;
    finish("failed", "${said}The old configuration is back but does not serve either:\n" . join "\n", @worse);
}

# restore KEY: bring back what was kept of a file, unless that was edited meanwhile; whether it was brought back.
sub restore {
    my ($key) = @_;
    my $path = path_of($key);
    my $kept = kept($path);
    # Two names of one file: it was not swapped.
    return 0 if !defined $kept || is_same_file($kept, $path);
    my %digest = digests_of($path);
    my $now = $digest{$path} || "";
    # Ours, or the version that an earlier change left unproved.
    return 0 unless grep { defined && $_ eq $now } map { $order{"file.$key.$_"} } qw(digest seen);
    my $is_back = was_none($kept) ? unlink($path) && unlink($kept) : rename $kept, $path;
    $is_back or die "cannot bring back $path: $!\n";
    sync_directory(directory_of($path));
    return 1;
}

# After a change went live, which the record says by now.
sub clean {
    for my $path (map { path_of($_) } files()) {
        my $kept = kept($path);
        unlink $kept if defined $kept;
    }
    # If there is no room for them, the next change finds them where they are.
    eval { collect_previous() if changed_files() };
}

# What Postfix and Dovecot have complained about since the change began.
sub log_lines {
    # What was said a moment ago may not be in the journal yet.
    run("journalctl", "--sync");
    my @lines = grep { / (?:postfix|dovecot)[^ ]*: / && /fatal|panic|error|warning|throttl/i }
        split /\n/, journal_since(began());
    splice @lines, 0, -12 if @lines > 12;
    return join "", map { substr($_, 0, 300) . "\n" } @lines;
}

sub finish {
    my ($outcome, $said) = @_;
    record_end($outcome, $said);
    answer("said", $said);
    answer("outcome", $outcome);
    my $folder = directory_of($0);
    unlink map { "$folder/$_" } qw(change.pl who began reached);
    rmdir $folder;
    exit($outcome eq "live" ? 0 : 1);
}

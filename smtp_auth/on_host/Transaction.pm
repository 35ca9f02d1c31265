package SmtpAuth::Transaction;

# A change of configuration files as one transaction: lock, compare, rehearse, record, stage; then, for each service, swap,
# reload and prove. If anything fails, everything is restored, the last service first. A service's files are swapped only after
# the service before it was proved: an smtpd that offers AUTH and does not find Dovecot's listener would die.
#
# It may be killed at any moment. systemd then runs this program again, to restore what was not proved. If the host loses its
# power, the next change finds the remaining files (see SmtpAuth::Beside). What has to be known after a kill is in two files
# beside the program: `began`, when the change began, in seconds since 1970, and `reached`, the services whose files it has
# begun to swap, in their order.
#
#   new INSTRUCTIONS, SERVICES, PROGRAM   SERVICES is a hash of all services: key to SmtpAuth::Service. PROGRAM is the file
#                                         of this program, in a folder that is deleted at the end
#   change                                makes the change
#   put_back                              restores the files that a killed change has not proved
#   prove                                 proves the services that take part as they are, and changes only the record
#
# They print "said TAB TEXT" and "outcome TAB OUTCOME" at the end, with an outcome of SmtpAuth::Record's, and return the
# exit status: 0 if the change is live.

use strict;
use warnings;
use Fcntl qw(LOCK_EX LOCK_NB);
use SmtpAuth::Beside qw(digest_in kept place_for place_for_none staged was_none);
use SmtpAuth::Etckeeper;
use SmtpAuth::Files qw(content_of directory_of is_same);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Programs qw(digests_of journal_since now run);
use SmtpAuth::Record;
use SmtpAuth::Rehearsal;
use SmtpAuth::Writing qw(age create make_directories replace sync_directory);

# How much of the services' log is printed: lines, and characters of each line.
my $MOST_LINES = 12;
my $LONGEST_LINE = 300;

my $FOR_EVERYBODY = oct '755';

# In addition to the arguments, an object holds:
#   lock, is_locked  the handle of the lock, and whether this change holds it: without the lock, the files of SmtpAuth::Beside
#                    belong to another change
#   found            the contents of the managed files at the start of this change, by key
#   unproved         the files that an earlier change left unproved, because the host lost its power: path to the earlier
#                    version that is kept beside it
#   made             the directories that this change has created
#   is_touched       whether a service was reloaded
#   is_cut_short     whether an earlier process of this change had begun to swap or to restore files, and was killed
sub new {
    my ($class, $instructions, $services, $program) = @_;
    return bless {
        instructions => $instructions,
        services => $services,
        program => $program,
        folder => directory_of($program),
        record => SmtpAuth::Record->new($instructions),
        etckeeper => SmtpAuth::Etckeeper->new($instructions),
        lock => undef,
        is_locked => 0,
        found => {},
        unproved => {},
        made => [],
        is_touched => 0,
        is_cut_short => 0,
    }, $class;
}

sub change {
    my ($self) = @_;
    my $now = now();
    eval { create("$self->{folder}/began", $now); $self->_prepare; 1 } or return $self->_refuse($@);
    eval { $self->_go_live; 1 } or return $self->_undo($@);
    $self->_clean;
    $self->{etckeeper}->commit_of_ours if $self->{instructions}->changed_files;
    # If this fails, the services are only proved once more.
    eval { $self->_keep_proved(grep { $_->is_reloaded } $self->_services); 1 } or 1;
    return $self->_end('live', q{});
}

sub prove {
    my ($self) = @_;
    my $began = now();
    if (!eval { $self->_lock_alone; 1 }) {
        answer('said', $@ =~ s/\n\z//xr);
        answer('outcome', 'refused');
        return 1;
    }
    my @services = $self->_services;
    my %state = map { $_->key => $_->present_state } @services;
    my $why = eval { $_->prove($began) for @services; 1 } ? q{} : $@;
    chomp $why;
    # What was started or edited meanwhile was not proved. If the record cannot be written, all is proved once more.
    my @same = length $why ? () : grep { $_->present_state eq $state{ $_->key } } @services;
    eval { $self->_keep_proved(@same); 1 } or 1;
    answer('said', length $why ? "$why\n" . $self->_logged($began) : q{});
    answer('outcome', length $why ? 'failed' : 'live');
    return length $why ? 1 : 0;
}

sub _keep_proved {
    my ($self, @services) = @_;
    return if !@services;
    return $self->{record}->keep_proved({map { $_->key => $_->present_state } @services});
}

sub put_back {
    my ($self) = @_;
    $self->_lock(LOCK_EX);
    if ($self->{instructions}->changed_files && $self->{record}->is_live) {
        $self->_clean;
        return $self->_end('live', q{});
    }
    $self->{is_cut_short} = $self->_reached;
    return $self->_undo("the change was interrupted\n");
}

sub _prepare {
    my ($self) = @_;
    my ($instructions, $record) = @{$self}{qw(instructions record)};
    $self->_lock_alone;
    $self->_compare;
    my $is_unproved = %{ $self->{unproved} };
    # A service must be running, unless an earlier change left it unproved: that change may have stopped it.
    for my $service (grep { $_->is_reloaded && !$is_unproved } $self->_services) {
        $service->running or die $service->name . " is not running any more; nothing was changed\n";
    }
    my @refused = SmtpAuth::Rehearsal->new($instructions, $self->{services})->refused_by($self->{program});
    die join("\n", @refused), "\n" if @refused;
    return if !$instructions->changed_files;
    # Note whether port 465 was broken before the change: a rollback or an undo need not make it work. If the last change has
    # proved it, it was not.
    my $is_known = $is_unproved || $record->last_is_proved;
    my @unserved = $is_known ? () : map { $_->unserved($self->_began) } $self->_services;
    $self->{etckeeper}->commit_of_others;
    $record->begin(\@unserved, $self->_proved);
    $self->_stage($_) for $instructions->new_files;
    return;
}

sub _lock_alone {
    my ($self) = @_;
    $self->_lock(LOCK_EX | LOCK_NB)
        or die "another deploy is running on this host; nothing was changed: run again when it has finished\n";
    return;
}

sub _lock {
    my ($self, $how) = @_;
    my $directory = $self->{instructions}->one('lock');
    # If this process dies, the lock is released: no other process inherits this handle.
    open $self->{lock}, '<', $directory or die "cannot open $directory: $!\n";
    $self->{is_locked} = flock $self->{lock}, $how;
    return $self->{is_locked};
}

# Makes sure that the files are those of the plan, and deletes files of earlier changes (see SmtpAuth::Beside) that are not
# needed any more.
sub _compare {
    my ($self) = @_;
    my $instructions = $self->{instructions};
    my %digest = digests_of(map { $instructions->path_of($_) } $instructions->files);
    for my $path (map { $instructions->path_of($_) } $instructions->files) {
        unlink staged($path);
        my $kept = kept($path) // next;
        if (digest_in($kept) eq ($digest{$path} // q{}) && !$self->{record}->last_is_live) {
            $self->{unproved}{$path} = $kept;
        }
        else { $self->_drop($path, $kept) }
    }
    for my $key ($instructions->files) {
        my $path = $instructions->path_of($key);
        $self->{found}{$key} = content_of($path);
        die "nothing was changed, because $path was changed since the plan was made: run again to plan with its new version\n"
            if -l $path || ($digest{$path} // q{}) ne $instructions->of_file($key, 'seen');
    }
    return;
}

# The versions that were proved last, of the files whose present version was not proved: see SmtpAuth::Baseline.
sub _proved {
    my ($self) = @_;
    my $unproved = $self->{unproved};
    return {map { $_ => was_none($unproved->{$_}) ? undef : $unproved->{$_} } keys %{$unproved}};
}

# The services that take part.
sub _services {
    my ($self) = @_;
    return map { $self->{services}{$_} } $self->{instructions}->all('service');
}

# -- beside a file ------------------------------------------------------------------------------------

# Deletes the old version that is kept beside a file. The file itself stays: it was never swapped, is proved, or was edited.
sub _drop {
    my ($self, $path, $kept) = @_;
    $self->{record}->keep_aside($path, $kept)
        if !was_none($kept) && !is_same($kept, $path) && !$self->{record}->last_is_live;
    unlink $kept;
    return;
}

sub _stage {
    my ($self, $key) = @_;
    my $path = $self->{instructions}->path_of($key);
    my $mode = $self->{instructions}->of_file($key, 'mode');
    my $directory = directory_of($path);
    unshift @{ $self->{made} }, _missing($directory);
    make_directories($directory, $FOR_EVERYBODY);
    # With the owner, ACL and further attributes of the old version.
    my @like = -e $path ? $path : ();
    create(staged($path), $self->{instructions}->of_file($key, 'content'), $mode ? oct $mode : undef, @like);
    age(staged($path));
    return;
}

# The missing directories on the way to a directory, itself first.
sub _missing {
    my ($directory) = @_;
    return -d $directory ? () : ($directory, _missing(directory_of($directory)));
}

# Keeps the present version under a second name. If an earlier change has left a file unproved, the version before that change
# is kept instead.
sub _keep {
    my ($self, $key) = @_;
    my $path = $self->{instructions}->path_of($key);
    my $before = $self->{unproved}{$path};
    my $is_none = defined $before ? was_none($before) : !-e $path;
    my $digest = $self->{instructions}->of_file($key, 'digest');
    my $place = $is_none ? place_for_none($path, $digest) : place_for($path, $digest);
    if (defined $before) { rename $before, $place or die "cannot keep the earlier version of $path: $!\n" }
    elsif ($is_none)     { create($place, q{}) }
    else { link $path, $place or die "cannot keep the present version of $path (is it immutable?): $!\n" }
    return;
}

# -- service by service -------------------------------------------------------------------------------

sub _go_live {
    my ($self) = @_;
    for my $service ($self->_services) {
        $self->_reach($service->key);
        my @files = $self->{instructions}->files_of($service->key);
        $self->_swap($_) for grep { $self->{instructions}->is_changed($_) } @files;
        eval { $self->_take_up($service); 1 }
            or die $service->name . " does not work with this configuration:\n$@";
    }
    $self->{record}->go_live if $self->{instructions}->changed_files;
    return;
}

sub _take_up {
    my ($self, $service) = @_;
    if ($service->is_reloaded) {
        $self->{is_touched} = 1;
        $service->reload;
    }
    $service->prove($self->_began) if $service->is_reloaded || !$service->can_run;
    return;
}

sub _swap {
    my ($self, $key) = @_;
    my $path = $self->{instructions}->path_of($key);
    die "$path was changed since the plan was made: run again to plan with its new version\n"
        if -l $path || !_is_equal(scalar content_of($path), $self->{found}{$key});
    # Not earlier: a second name changes the file's ctime, and a look compares the ctime to see whether a reload is due.
    $self->_keep($key);
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

sub _began { my ($self) = @_; return content_of("$self->{folder}/began") || time }

sub _reached { my ($self) = @_; return split /\n/x, content_of("$self->{folder}/reached") // q{} }

sub _reach {
    my ($self, $service) = @_;
    replace("$self->{folder}/reached", join q{}, map { "$_\n" } $self->_reached, $service);
    return;
}

# -- the end ------------------------------------------------------------------------------------------

# Ends a change that has swapped nothing: deletes what it has created.
sub _refuse {
    my ($self, $why) = @_;
    $self->_take_away;
    chomp $why;
    my $is_said = $why =~ /nothing[ ]was[ ]changed/x;
    return $self->_end('refused', $is_said ? $why : "$why; nothing was changed");
}

sub _take_away {
    my ($self) = @_;
    return if !$self->{is_locked};
    for my $key ($self->{instructions}->files) {
        # If it cannot be moved to the record, it stays where it is: the next change finds it there.
        eval { $self->_release($key); 1 } or next;
    }
    rmdir for @{ $self->{made} };
    return;
}

# Deletes the files beside a file that was not swapped, or that somebody has edited since.
sub _release {
    my ($self, $key) = @_;
    my $path = $self->{instructions}->path_of($key);
    unlink staged($path);
    my $kept = kept($path) // return;
    my $before = $self->{unproved}{$path};
    if (defined $before) { rename $kept, $before or die "cannot keep the earlier version of $path: $!\n" }
    else                 { $self->_drop($path, $kept) }
    return;
}

# Restores what was swapped, the last service first, and proves the old configuration.
sub _undo {
    my ($self, $why) = @_;
    my $logged = $self->_logged($self->_began);
    my ($is_restored, @worse);
    for my $service (map { $self->{services}{$_} } reverse $self->_reached) {
        my $is_some = 0;
        # Before the reload: both change the file's ctime, and a look compares the ctime to see whether a reload is due.
        for my $key ($self->{instructions}->files_of($service->key)) {
            eval { $self->_restore($key) ? $is_some = 1 : $self->_release($key); 1 } or $is_some = push @worse, $@;
        }
        # A process that was killed may have restored a service's files and not yet reloaded it.
        $is_some ||= $self->{is_cut_short};
        $is_restored ||= $is_some;
        next if !$is_some;
        eval { $self->_bring_back($service); 1 } or push @worse, $@;
    }
    return $self->_refuse($why) if !$is_restored && !$self->{is_touched};
    $self->_take_away;
    chomp $why;
    my $said = "$why\n$logged";
    return $self->_end('failed', $said) if !$is_restored;
    return $self->_end('put back', "${said}The old configuration is restored and works.") if !@worse;
    chomp @worse;
    return $self->_end('failed',
        "${said}The old configuration is restored, but does not work either:\n" . join "\n", @worse);
}

sub _bring_back {
    my ($self, $service) = @_;
    $service->bring_back($self->_began);
    $service->prove_old($self->{record}->unserved);
    return;
}

# Restores the earlier version of a file, unless the file was edited meanwhile; returns whether it did.
sub _restore {
    my ($self, $key) = @_;
    my $instructions = $self->{instructions};
    my $path = $instructions->path_of($key);
    my $kept = kept($path);
    # Two names of one file mean that it was not swapped.
    return 0 if !defined $kept || is_same($kept, $path);
    my %digest = digests_of($path);
    my $now = $digest{$path} // q{};
    # Restore only over our version, or over the version that an earlier change left unproved.
    return 0 if !grep { defined && $_ eq $now } map { $instructions->of_file($key, $_) } qw(digest seen);
    my $is_back = was_none($kept) ? unlink($path) && unlink $kept : rename $kept, $path;
    $is_back or die "cannot restore $path: $!\n";
    sync_directory(directory_of($path));
    return 1;
}

# Deletes the earlier versions beside the files. The record already says that the change is live.
sub _clean {
    my ($self) = @_;
    for my $path (map { $self->{instructions}->path_of($_) } $self->{instructions}->files) {
        my $kept = kept($path) // next;
        unlink $kept;
    }
    return;
}

# The errors and warnings that the services have logged since a time.
sub _logged {
    my ($self, $since) = @_;
    my @names = map { $_->logs_as // () } values %{ $self->{services} };
    return q{} if !@names;
    my $names = join q{|}, @names;
    # The newest lines may not be in the journal yet.
    run('journalctl', '--sync');
    my @lines = grep { /[ ](?:$names)[^ ]*:[ ]/x && /fatal|panic|error|warning|throttl/xi }
        split /\n/x, journal_since($since);
    splice @lines, 0, -$MOST_LINES if @lines > $MOST_LINES;
    return join q{}, map { substr($_, 0, $LONGEST_LINE) . "\n" } @lines;
}

sub _end {
    my ($self, $outcome, $said) = @_;
    my $folder = $self->{folder};
    $self->{record}->end($outcome, $said);
    answer('said', $said);
    answer('outcome', $outcome);
    unlink $self->{program}, map { "$folder/$_" } qw(who began reached reached.new);
    rmdir $folder;
    return $outcome eq 'live' ? 0 : 1;
}

1;

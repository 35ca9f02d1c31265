package SmtpAuth::Transaction;

# A change of configuration files as one transaction: lock, compare, rehearse, stage, record; then, for each service, swap,
# reload and prove. If anything fails, everything is restored, the last service first. A service's files are swapped only after
# the service before it was proved: an smtpd that offers AUTH and does not find Dovecot's listener would die.
#
# It may be killed at any moment. systemd then runs this program again, to restore what was not proved. If the host loses its
# power, SmtpAuth::Recovery runs it when the host boots. What has to be known after a kill is beside the program: the file
# `began`, when the change began, in seconds since 1970; the link `recorded`, which points to the change's name in the record,
# and is there before the record has it; and the link `touched`, which is there before the first swap or reload. These are links
# because a link has its content as soon as it exists.
#
#   new INSTRUCTIONS, SERVICES, PROGRAM   SERVICES is a hash of all services: key to SmtpAuth::Service. PROGRAM is the file
#                                         of this program, in a folder that is deleted at the end
#   change                                makes the change
#   put_back                              restores the files that a killed change has not proved
#   boot                                  the same, while the host boots and no service runs yet
#   prove                                 proves the services that take part as they are, and changes only the record
#
# They print an answer at the end, and return the exit status: 0 if the change is live. The answer is
#
#   said TAB TEXT            why it is not live, for people
#   proved TAB TEXT          what was proved of the configuration that is in place now, for people: one line for each service or
#                            port, the same on hosts that are the same
#   proof_seconds TAB SECONDS   how long these proofs took, if something was proved
#   outcome TAB OUTCOME      an outcome of SmtpAuth::Record's. It is the last line: without it, the answer is incomplete

use strict;
use warnings;
use Fcntl qw(LOCK_EX LOCK_NB LOCK_SH);
use POSIX ();
use SmtpAuth::Etckeeper;
use SmtpAuth::Files qw(content_of directory_of is_there name_of read_file);
use SmtpAuth::Hold qw(hold_in is_refused_by);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Locks qw(holder_of opened_lock);
use SmtpAuth::Programs qw(journal now run wait_until);
use SmtpAuth::Record;
use SmtpAuth::Recovery;
use SmtpAuth::Rehearsal;
use SmtpAuth::Swap;
use SmtpAuth::Writing qw(create);

# How much of the services' log is printed: lines, and characters of each line.
my $MOST_LINES = 12;
my $LONGEST_LINE = 300;

# dpkg(1) holds one of these while it installs packages, apt the other one for longer.
my @LOCKS = qw(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock);

# Seconds that a change waits for dpkg and for the services' own tools.
my $PATIENCE = 60;

# Neither systemd nor its journal may delay the old files for long.
my @BRIEFLY = qw(timeout 10);

# Any account may write to the journal, and a line of it may have hundreds of megabytes.
my @THE_END_OF = ('sh', '-c', '"$@" 2>/dev/null | tail -c 1000000', 'sh');

# How often files are restored or deleted if that fails.
my $TRIES = 3;

# In addition to the arguments, an object holds:
#   lock, is_locked  the handle of the lock, and whether this change holds it: without the lock, the files of SmtpAuth::Beside
#                    belong to another change
#   in_use           the handle of the folder, which shows that it is in use: see SmtpAuth::Supervise
#   reached          the services whose files it has begun to swap, in their order
#   is_touched       whether a service was reloaded
#   is_unfinished    whether files are left that SmtpAuth::Recovery restores or deletes when the host boots, or the next change
#   is_cut_short     whether an earlier process of this change had begun to swap or to restore files, and was killed
#   proof            what the answer says of the proofs: pairs of a key and a value
sub new {
    my ($class, $instructions, $services, $program) = @_;
    my $record = SmtpAuth::Record->new($instructions);
    return bless {
        instructions => $instructions,
        services => $services,
        program => $program,
        folder => directory_of($program),
        record => $record,
        swap => SmtpAuth::Swap->new($instructions, $record),
        recovery => SmtpAuth::Recovery->new($instructions, map { $_->units } values %{$services}),
        etckeeper => SmtpAuth::Etckeeper->new($instructions),
        lock => undef,
        is_locked => 0,
        in_use => undef,
        reached => [],
        is_touched => 0,
        is_cut_short => 0,
        is_unfinished => 0,
        proof => [],
    }, $class;
}

sub change {
    my ($self) = @_;
    my $now = now();
    eval { $self->_use_folder; create("$self->{folder}/began", $now); $self->_prepare; 1 } or return $self->_refuse($@);
    eval { $self->_go_live; 1 } or return $self->_undo($@);
    $self->_clean;
    # If this fails, the services are only proved once more.
    eval { $self->_keep_proved(grep { $_->is_reloaded } $self->_services); 1 } or 1;
    my $status = $self->_end('live', q{});
    # Not earlier: the unit that restores at boot is no part of it.
    $self->{etckeeper}->commit_of_ours if $self->{instructions}->changed_files;
    return $status;
}

sub prove {
    my ($self) = @_;
    my $began = now();
    eval { $self->_lock_alone; 1 } or return $self->_answer('refused', $@ =~ s/\n\z//xr);
    my @services = $self->_services;
    my %state = map { $_->key => $_->present_state } @services;
    my $why = eval { $self->_note_proof('prove', $_, $began) for @services; 1 } ? q{} : $@;
    chomp $why;
    # What was started or edited meanwhile was not proved. If the record cannot be written, all is proved once more.
    my @same = length $why ? () : grep { $_->present_state eq $state{ $_->key } } @services;
    eval { $self->_keep_proved(@same); 1 } or 1;
    return $self->_answer('failed', "$why\n" . $self->_logged($began)) if length $why;
    return $self->_answer('live', q{});
}

sub _keep_proved {
    my ($self, @services) = @_;
    return if !@services;
    return $self->{record}->keep_proved({map { $_->key => $_->present_state } @services});
}

sub put_back {
    my ($self) = @_;
    $self->_use_folder;
    $self->_lock(LOCK_EX);
    my $name = $self->_marked('recorded');
    $self->{record}->take_up($name) if defined $name;
    # The process before this one may have ended the change, but not deleted the program.
    my ($outcome, $said, @proof) = $self->{record}->ended;
    $self->{proof} = \@proof;
    $outcome //= $self->{record}->outcome eq 'live' ? 'live' : undef;
    $self->_clean if ($outcome // q{}) eq 'live';
    my $has_begun = length $self->{record}->outcome;
    if (defined $outcome) {
        # What could not be restored waits for the next boot, and a change that has not begun has no folder in the record.
        my $is_all = $outcome eq 'failed' || ($outcome eq 'refused' && !$has_begun);
        return $is_all ? $self->_leave($outcome, $said) : $self->_end($outcome, $said // q{});
    }
    $self->{is_cut_short} = defined $self->_marked('touched');
    $self->{reached} = [$self->_services] if $has_begun || $self->{is_cut_short};
    return $self->_undo(_interrupted());
}

sub _interrupted { return "the change was interrupted\n" }

sub boot {
    my ($self) = @_;
    my $status = eval { $self->_boot };
    return $status if defined $status;
    chomp(my $why = $@);
    $self->{recovery}->note($why);
    return 1;
}

sub _boot {
    my ($self) = @_;
    my $record = $self->{record};
    # A deploy may have begun before this program.
    wait_until($PATIENCE, sub { $self->_lock(LOCK_EX | LOCK_NB) }) or $self->_lock_alone;
    $record->take_up(name_of($self->{folder}));
    if ($record->is_taken_over) {
        $self->{recovery}->remove($record->name);
        return 0;
    }
    my $outcome = $record->outcome;
    # Whoever confirms the change, or the end of the time for that, decides.
    return 0 if $outcome eq 'unconfirmed';
    if ($outcome eq 'live') { $self->_clean }
    else                    { $self->_restore_at_boot($outcome) }
    $self->{recovery}->remove($record->name) if !$self->{is_unfinished};
    return 0;
}

sub _restore_at_boot {
    my ($self, $outcome) = @_;
    my @files = map { $self->_restore_files($_) } reverse $self->_services;
    if (my @worse = map { @{ $_->{worse} } } @files) {
        chomp @worse;
        my $why = join q{; }, @worse;
        $self->{record}->end('failed', "The host was restarted during the change, and its files cannot be restored: $why");
        die "$why\n";
    }
    $self->{swap}->unstage;
    return if $outcome ne 'unfinished' && !grep { $_->{is_restored} } @files;
    my $edited = _except(map { @{ $_->{edited} } } @files);
    my $said = "The host was restarted during the change. The old configuration is restored$edited.";
    print "$said\n" or 1;
    $self->{is_unfinished} = !$self->{record}->end('put back', $said);
    return;
}

# The files that stay as somebody has edited them, for a sentence.
sub _except {
    my @edited = @_;
    return @edited ? ', except ' . join(' and ', @edited) . ', which somebody has edited meanwhile' : q{};
}

sub _prepare {
    my ($self) = @_;
    my ($instructions, $record, $swap) = @{$self}{qw(instructions record swap)};
    $self->_lock_alone;
    # It may be newer than the plan.
    my $hold = hold_in($instructions->one('record'));
    die is_refused_by($hold), "\n" if $hold && !$instructions->one('even_held');
    $self->_wait_for_others;
    $swap->compare;
    # A service must be running, unless an earlier change left it unproved: that change may have stopped it.
    for my $service (grep { $_->is_reloaded && !$swap->is_unproved } $self->_services) {
        $service->running or die $service->name . " is not running any more; nothing was changed\n";
    }
    my @refused = SmtpAuth::Rehearsal->new($instructions, $self->{services})->refused_by($self->{program});
    die join("\n", @refused), "\n" if @refused;
    return if !$instructions->changed_files;
    # Note whether port 465 was broken before the change: a rollback or an undo need not make it work. If the last change has
    # proved it, it was not.
    my $is_known = $swap->is_unproved || $record->last_is_proved;
    my @unserved = $is_known ? () : map { $_->unserved($self->_began) } $self->_services;
    $self->{etckeeper}->commit_of_others;
    $record->prepare(\@unserved, $swap->proved, read_file($self->{program}));
    $self->{recovery}->install($swap->places, $instructions->one('record'));
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
    # If this process dies, the lock is released: no other process inherits this handle.
    $self->{lock} = opened_lock($self->{instructions}->one('lock'));
    $self->{is_locked} = flock $self->{lock}, $how;
    return $self->{is_locked};
}

sub _use_folder {
    my ($self) = @_;
    open $self->{in_use}, '<', $self->{folder} or die "cannot open $self->{folder}: $!\n";
    flock $self->{in_use}, LOCK_SH or die "cannot lock $self->{folder}: $!\n";
    return;
}

# dpkg restarts services and edits their files; certbot replaces certificates, and has Postfix reloaded.
sub _wait_for_others {
    my ($self) = @_;
    my @locks = (@LOCKS, map { $_->locks } values %{ $self->{services} });
    my $holder;
    wait_until($PATIENCE, sub { $holder = holder_of(@locks); return !defined $holder })
        or die "another program is changing this host ($holder); nothing was changed: run again when it has finished\n";
    return;
}

# The services that take part.
sub _services {
    my ($self) = @_;
    return map { $self->{services}{$_} } $self->{instructions}->all('service');
}

# -- service by service -------------------------------------------------------------------------------

sub _go_live {
    my ($self) = @_;
    my ($instructions, $record) = @{$self}{qw(instructions record)};
    my @changed = $instructions->changed_files;
    if (@changed) {
        $self->_mark('recorded', $record->name);
        $record->begin;
        $self->{recovery}->remove_others($record->name);
        # Not earlier: if the host loses its power now, it deletes the staged files when it boots.
        $self->{swap}->stage;
    }
    $self->_mark('touched', q{.});
    for my $service ($self->_services) {
        push @{ $self->{reached} }, $service;
        $self->{swap}->swap($_) for grep { $instructions->is_changed($_) } $instructions->files_of($service->key);
        eval { $self->_take_up($service); 1 }
            or die $service->name . " does not work with this configuration:\n$@";
    }
    $record->go_live if @changed;
    return;
}

sub _take_up {
    my ($self, $service) = @_;
    if ($service->is_reloaded) {
        $self->{is_touched} = 1;
        $service->reload;
    }
    $self->_note_proof('prove', $service, $self->_began) if $service->is_reloaded || !$service->can_run;
    return;
}

# Proves a service with one of its methods, and notes for the answer what was proved and how long it took.
sub _note_proof {
    my ($self, $method, $service, @how) = @_;
    my $began = _seconds();
    my @proved = map { [proved => $_] } $service->$method(@how);
    return if !@proved;
    my @earlier = @{ $self->{proof} };
    my $took = (@earlier ? (pop @earlier)->[1] : 0) + _seconds() - $began;
    $self->{proof} = [@earlier, @proved, [proof_seconds => sprintf '%.2f', $took]];
    return;
}

# Since some moment, whatever happens to the host's clock.
sub _seconds { return (POSIX::times())[0] / POSIX::sysconf(POSIX::_SC_CLK_TCK()) }

sub _began { my ($self) = @_; return content_of("$self->{folder}/began") || time }

sub _mark {
    my ($self, $what, $content) = @_;
    my $link = "$self->{folder}/$what";
    symlink $content, $link or die "cannot write $link: $!\n";
    return;
}

# The content of a link that an earlier process of this change has made; undef if it has not.
sub _marked {
    my ($self, $what) = @_;
    my $link = "$self->{folder}/$what";
    return if !is_there($link);
    return readlink $link // die "cannot read $link: $!\n";
}

# -- the end ------------------------------------------------------------------------------------------

# Ends a change that has swapped nothing: deletes what it has created.
sub _refuse {
    my ($self, $why) = @_;
    $self->_take_away if $self->{is_locked};
    chomp $why;
    my $is_said = $why =~ /nothing[ ]was[ ]changed/x;
    return $self->_end('refused', $is_said ? $why : "$why; nothing was changed");
}

sub _take_away {
    my ($self) = @_;
    $self->{swap}->unstage;
    $self->{record}->forget_prepared;
    return;
}

# Restores what was swapped, the last service first, and proves the old configuration.
sub _undo {
    my ($self, $why) = @_;
    my $logged = $self->_logged($self->_began);
    my $is_stopping = $self->_is_stopping;
    my ($is_restored, @unrestored, @worse, @edited);
    # It was the proof of the new configuration.
    $self->{proof} = [];
    # What an earlier change has left is restored, too.
    $self->{reached} = [$self->_services] if $self->{swap}->is_unproved;
    for my $service (reverse @{ $self->{reached} }) {
        # Before the reload: both change the file's ctime, and a look compares the ctime to see whether a reload is due.
        my $files = $self->_restore_files($service);
        push @unrestored, @{ $files->{worse} };
        push @edited, @{ $files->{edited} };
        # A process that was killed may have restored a service's files and not yet reloaded it.
        my $is_some = $files->{is_restored} || @{ $files->{worse} } || $self->{is_cut_short};
        $is_restored ||= $is_some;
        next if !$is_some || $is_stopping;
        eval { $self->_bring_back($service); 1 } or push @worse, $@;
    }
    return $self->_refuse($why) if !$is_restored && !$self->{is_touched};
    chomp($why, @unrestored, @worse);
    my $said = "$why\n$logged";
    if (@unrestored) {
        $self->{is_unfinished} = 1;
        return $self->_end('failed', "${said}The old configuration could not be restored:\n" . join "\n", @unrestored, @worse);
    }
    $self->_take_away;
    return $self->_end('failed', $said) if !$is_restored;
    my $edited = _except(@edited);
    return $self->_end('put back', "${said}The old configuration is restored$edited; the host is shutting down.") if $is_stopping;
    return $self->_end('put back', "${said}The old configuration is restored$edited and works.") if !@worse;
    return $self->_end('failed', "${said}The old configuration is restored$edited, but does not work either:\n" . join "\n", @worse);
}

# Restores the files of a service: a hash with `is_restored`, whether any was; `edited`, a list of the paths that somebody has
# edited since; and `worse`, a list of sentences about those that could not be restored.
sub _restore_files {
    my ($self, $service) = @_;
    my $swap = $self->{swap};
    my ($is_restored, @edited, @worse) = (0);
    for my $key ($self->{instructions}->files_of($service->key)) {
        my $why = _often(
            sub {
                if ($swap->restore($key)) { $is_restored = 1 }
                elsif ($swap->release($key)) { push @edited, $self->{instructions}->path_of($key) }
            }
        );
        push @worse, $why if defined $why;
    }
    return {is_restored => $is_restored, edited => \@edited, worse => \@worse};
}

# Calls a function until it does not die; returns the last error, or undef.
sub _often {
    my ($function) = @_;
    my $why;
    for (1 .. $TRIES) {
        return if eval { $function->(); 1 };
        $why = $@;
    }
    return $why;
}

sub _bring_back {
    my ($self, $service) = @_;
    # If they cannot be read, all ports are proved.
    my @unserved;
    _often(sub { @unserved = $self->{record}->unserved });
    $service->bring_back($self->_began);
    $self->_note_proof('prove_old', $service, @unserved);
    return;
}

# systemd reloads no service any more while the host is shut down. They read the restored files when they start.
sub _is_stopping { return (run(@BRIEFLY, 'systemctl', 'is-system-running'))[1] eq "stopping\n" }

# Deletes what was needed to restore the earlier versions. The record already says that the change is live.
sub _clean {
    my ($self) = @_;
    my $finish = sub {
        $self->{swap}->clean;
        # A reload alone has proved what an interrupted change had left.
        $self->{recovery}->remove_others($self->{record}->name);
    };
    $self->{is_unfinished} = defined _often($finish);
    return;
}

# The errors and warnings that the services have logged since a time.
sub _logged {
    my ($self, $since) = @_;
    my @names = map { $_->logs_as // () } values %{ $self->{services} };
    return q{} if !@names;
    my $names = join q{|}, @names;
    # The newest lines may not be in the journal yet.
    run(@BRIEFLY, 'journalctl', '--sync');
    my (undef, $said) = run(@BRIEFLY, @THE_END_OF, journal($since, '--output=short'));
    my @lines = grep { /[ ](?:$names)[^ ]*:[ ]/x && /fatal|panic|error|warning|throttl/xi } split /\n/x, $said;
    splice @lines, 0, -$MOST_LINES if @lines > $MOST_LINES;
    return join q{}, map { substr($_, 0, $LONGEST_LINE) . "\n" } @lines;
}

sub _end {
    my ($self, $outcome, $said) = @_;
    my $is_on_record = $self->{record}->end($outcome, $said, @{ $self->{proof} });
    # A boot writes the outcome, if it is not on record.
    $self->{is_unfinished} ||= !$is_on_record && $outcome ne 'live';
    $self->{recovery}->remove($self->{record}->name) if $self->{is_locked} && !$self->{is_unfinished};
    return $self->_leave($outcome, $said);
}

# Answers, and deletes the change's folder.
sub _leave {
    my ($self, $outcome, $said) = @_;
    my $folder = $self->{folder};
    my $status = $self->_answer($outcome, $said);
    # As long as the program is there, systemd runs it again, and it needs the links.
    unlink $self->{program}
        and unlink map { "$folder/$_" } qw(who began recorded touched)
        and rmdir $folder;
    return $status;
}

# Returns the exit status.
sub _answer {
    my ($self, $outcome, $said) = @_;
    answer(@{$_}) for [said => $said], @{ $self->{proof} }, [outcome => $outcome];
    return $outcome eq 'live' ? 0 : 1;
}

1;

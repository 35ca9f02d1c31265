package SmtpAuth::Record;

# The record of changes. Only root can read it. Its directory contains, in addition to the files of SmtpAuth::Baseline:
#
#   changes/NAME/              one change: NAME is the ID of its run, or ID.2, ID.3 and so on for further attempts on this host
#     manifest.json              who changed what, with which version of this program, with which outcome
#     ledger.json                what is ours in this host's configuration, before the change and after it
#     before/PATH                each file that the change replaced, as it was; of an interrupted change before it, too
#     after/PATH                 each file that it wrote, with the same content but not the same mode
#     digests                    lines of SmtpAuth::Lines: `before` and `after`, with the SHA-256 of the file, empty if there was
#                                none, a space and PATH
#     change.pl                  the program of the change, as long as SmtpAuth::Recovery may need it
#   aside/ID/PATH              a version of PATH that a change of run ID found beside it, left by an interrupted change, and
#                              that no change has in its folder; never deleted
#   proved                     the state in which each service was proved last: see SmtpAuth::Proved
#   last                       the answer of the last change or reload: its outcome, and what was proved
#   hold, holds                see SmtpAuth::Hold
#   pruned                     for each deleted live change: its number, and NAME
#
# A change's folder is put together under another name. When it gets its own, everything in it is on the disk. Nothing in the
# record is overwritten, except the outcome of the change that runs.
#
# Outcomes: live (proved), refused (no file was replaced), put back (it did not work, or was interrupted, and everything is
# restored), failed (it does not work, and nothing could be restored, or the restored files do not work either), unfinished (it
# is running, or nothing has restored yet what it replaced), unconfirmed (proved, and restored unless somebody confirms it).
#
#   new INSTRUCTIONS           the record, for the change that these instructions describe
#   prepare UNSERVED, PROVED, PROGRAM
#                              writes the change's folder; dies if that fails. UNSERVED are the ports that do not work. PROVED
#                              is a hash of the files whose current version was never proved: path to the file with the
#                              version that was proved last; to undef if there was none. PROGRAM is the text of this program
#   name                       the NAME of the prepared change
#   begin                      puts its folder in its place, before the first file is replaced; dies if that fails
#   forget_prepared            deletes the folder of a change that has not begun
#   take_up NAME               for another process, after the one that began the change was killed
#   go_live                    marks the change as live: from now on it is not put back. Dies if that fails
#   outcome                    the outcome of the change; empty if it has not begun
#   ended                      what `end` was given for this attempt: (OUTCOME, SAID, PROOF…); nothing if it has not ended. The last
#                              answer of an earlier attempt is deleted before this one starts (SmtpAuth::Supervise)
#   end OUTCOME, SAID, PROOF…  writes the outcome into the folder, for the controller that waits for it, and to the journal;
#                              returns whether the record has it. PROOF are pairs of a key and a value: what was proved
#   unserved                   the ports that did not work before this change
#   before PATH                (DIGEST, COPY) of a file as it was before the newest change that wrote it: this one, once it has
#                              begun, or an interrupted one; nothing if no change has
#   is_taken_over              whether a newer change has begun, and answers for what this one has left
#   is_proved PATH             whether the newest change that wrote a file is live
#   last_is_proved             whether the newest live change was proved, and its files are still as it wrote them
#   keep_proved STATES         keeps that services were proved: a hash, key to state (SmtpAuth::Proved). Dies if that fails
#   keep_aside PATH, VERSION   keeps an earlier version of a file, unless a change has it in its folder; dies if that fails

use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use SmtpAuth::Baseline qw(keep_baseline);
use SmtpAuth::Files qw(directory_of files_below is_there read_file);
use SmtpAuth::Lines qw(as_line pairs_in);
use SmtpAuth::Manifest qw(completed manifests_in number_of outcome_of value_in);
use SmtpAuth::Programs qw(digests_of run);
use SmtpAuth::Proved qw(states_in);
use SmtpAuth::Writing qw(copy_below create make_directories replace sync_directory sync_file sync_tree);

# How many live changes are kept, and how many others.
my $KEPT = 20;

my $FOR_ITS_OWNER = oct '700';

# Facility daemon, severity info (RFC 3164).
my $PRIORITY = 30;

# How often the outcome is written if that fails.
my $TRIES = 2;

sub new {
    my ($class, $instructions) = @_;
    my $directory = $instructions->one('record');
    return bless {
        instructions => $instructions,
        directory => $directory,
        name => undef,
        has_begun => 0,
        is_added => 0,
        number => undef,
        began => POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime),
        unserved => [],
    }, $class;
}

sub name { my ($self) = @_; return $self->{name} }

sub _folder { my ($self) = @_; return "$self->{directory}/changes/$self->{name}" }

# Where the folder is put together. Only the change that holds the lock has one.
sub _coming { my ($self) = @_; return "$self->{directory}/changes/.coming" }

# -- the beginning ------------------------------------------------------------------------------------

sub prepare {
    my ($self, $unserved, $proved, $program) = @_;
    my ($instructions, $directory) = @{$self}{qw(instructions directory)};
    $self->{unserved} = $unserved;
    $self->forget_prepared;
    my $coming = $self->_coming;
    make_directories($coming, $FOR_ITS_OWNER);
    $self->{name} = _free("$directory/changes", $instructions->one('id'));
    create("$coming/manifest.json", $self->_manifest('unfinished', q{}));
    # A rename of this file makes the change live, because a rename needs no space on the disk.
    create("$coming/manifest.live", $self->_manifest('live', q{}));
    create("$coming/ledger.json", $instructions->one('ledger') =~ s/"kept_by":[ ]""/"kept_by": "$self->{name}"/gxr);
    create("$coming/change.pl", $program);
    my @changed = map { $instructions->path_of($_) } $instructions->changed_files;
    # Their owners may not have written them to the disk.
    sync_file($_) for grep { is_there($_) } @changed;
    copy_below("$coming/before", $proved, (grep { !exists $proved->{$_} } @changed), keys %{$proved});
    for my $key ($instructions->new_files) {
        my $after = "$coming/after" . $instructions->path_of($key);
        make_directories(directory_of($after), $FOR_ITS_OWNER);
        create($after, $instructions->of_file($key, 'content'));
    }
    create("$coming/digests", $self->_digests($proved));
    sync_tree($coming);
    keep_baseline($directory, $self->{name}, "$coming/before", map { $instructions->path_of($_) } $instructions->all('baseline'));
    sync_directory($_) for $directory, directory_of($directory);
    return;
}

sub _digests {
    my ($self, $proved) = @_;
    my $instructions = $self->{instructions};
    my %earlier = digests_of(grep { defined } values %{$proved});
    my @lines;
    for my $key ($instructions->files) {
        my $path = $instructions->path_of($key);
        # A file that does not change may have to be restored, too.
        next if !$instructions->is_changed($key) && !exists $proved->{$path};
        my $before = my $seen = $instructions->of_file($key, 'seen');
        $before = defined $proved->{$path} ? $earlier{ $proved->{$path} } : q{} if exists $proved->{$path};
        my $after = $instructions->of_file($key, 'digest') // $seen;
        push @lines, as_line('before', "$before $path"), as_line('after', "$after $path");
    }
    return join q{}, @lines;
}

sub begin {
    my ($self) = @_;
    rename $self->_coming, $self->_folder or die "cannot write the record: $!\n";
    $self->{has_begun} = 1;
    sync_directory("$self->{directory}/changes");
    return;
}

sub take_up {
    my ($self, $name) = @_;
    $self->{name} = $name;
    $self->{has_begun} = is_there($self->_folder);
    return;
}

# The name of an attempt that a directory does not contain yet.
sub _free {
    my ($directory, $id) = @_;
    my ($name, $attempt) = ($id, 1);
    $name = "$id." . ++$attempt while is_there("$directory/$name");
    return $name;
}

sub forget_prepared {
    my ($self) = @_;
    run('rm', '-rf', q{--}, $self->_coming) if is_there($self->_coming);
    return;
}

# -- the end ------------------------------------------------------------------------------------------

sub go_live {
    my ($self) = @_;
    my $folder = $self->_folder;
    rename "$folder/manifest.live", "$folder/manifest.json" or die "cannot write the record: $!\n";
    sync_directory($folder);
    return;
}

sub outcome { my ($self) = @_; return $self->{has_begun} ? outcome_of({text => scalar $self->_manifest_now}) : q{} }

sub ended {
    my ($self) = @_;
    my ($id, $said, @others) = pairs_in(read_file("$self->{directory}/last") // q{});
    my $outcome = pop @others or return;
    return $id->[1] eq $self->{instructions}->one('id') ? ($outcome->[1], $said->[1], @others) : ();
}

sub end {
    my ($self, $outcome, $said, @proof) = @_;
    my $is_on_record = 0;
    for (1 .. $TRIES) {
        $is_on_record ||= eval { $self->_write_end($outcome, $said, @proof); 1 };
    }
    my $journal = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => '/dev/log') or return $is_on_record;
    # Any account may fill that socket: a change does not wait for it.
    $journal->blocking(0);
    my ($id, $user, $controller) = map { $self->{instructions}->one($_) } qw(id ssh_user controller);
    my $what = $self->{instructions}->changed_files ? 'change' : 'reload';
    $journal->send("<$PRIORITY>smtp-auth: $what $id by $user ($controller): $outcome");
    return $is_on_record;
}

sub _write_end {
    my ($self, $outcome, $said, @proof) = @_;
    my ($instructions, $directory) = @{$self}{qw(instructions directory)};
    make_directories($directory, $FOR_ITS_OWNER);
    my $is_recorded = $instructions->changed_files && $outcome ne 'live';
    $self->_add_refused($outcome, $said) if $is_recorded && !$self->{has_begun};
    my @last = ([id => $instructions->one('id')], [said => $said], @proof, [outcome => $outcome]);
    replace("$directory/last", join q{}, map { as_line(@{$_}) } @last);
    # Not earlier: if this process is killed now, the next one knows what was said.
    $self->_change_outcome($outcome, $said) if $is_recorded && $self->{has_begun};
    $self->_prune;
    return;
}

sub _change_outcome {
    my ($self, $outcome, $said) = @_;
    my $folder = $self->_folder;
    my $manifest = $self->_manifest($outcome, $said);
    # Its space may be the last one on the disk.
    unlink "$folder/manifest.live";
    replace("$folder/manifest.json", $manifest);
    sync_directory($folder);
    return;
}

# Writes the folder of a change that has not begun. Another change may be running, and do the same.
sub _add_refused {
    my ($self, $outcome, $said) = @_;
    return if $self->{is_added};
    my $changes = "$self->{directory}/changes";
    my $own = "$changes/.refused-$$";
    make_directories($own, $FOR_ITS_OWNER);
    replace("$own/manifest.json", $self->_manifest($outcome, $said));
    until (rename $own, "$changes/" . _free($changes, $self->{instructions}->one('id'))) {
        next if $!{ENOTEMPTY} || $!{EEXIST};
        die "cannot write the record: $!\n";
    }
    $self->{is_added} = 1;
    return;
}

sub unserved {
    my ($self) = @_;
    # If another process began this change and was killed, they are in the manifest.
    return $self->{has_begun} ? split /[ ]/x, value_in($self->_manifest_now, 'unserved') : @{ $self->{unserved} };
}

sub _manifest_now { my ($self) = @_; return read_file($self->_folder . '/manifest.json') }

# The manifest from the instructions, with what only the host knows.
sub _manifest {
    my ($self, $outcome, $said) = @_;
    my %more = (outcome => $outcome, said => $said, ssh_user => $self->{instructions}->one('ssh_user'));
    my $now = $self->{has_begun} ? $self->_manifest_now : undef;
    if (defined $now) { $more{$_} = value_in($now, $_) for qw(began number unserved) }
    else {
        $self->{number} //= $self->_next_number;
        @more{qw(began number unserved)} = (@{$self}{qw(began number)}, join q{ }, @{ $self->{unserved} });
    }
    return completed($self->{instructions}->one('manifest'), \%more);
}

sub _next_number {
    my ($self) = @_;
    my ($newest) = sort { $b <=> $a } 0, map { number_of($_) } manifests_in($self->{directory});
    return $newest + 1;
}

sub _prune {
    my ($self) = @_;
    my $directory = $self->{directory};
    my (%kept, @old);
    my $pruned = q{};
    for my $change (reverse manifests_in($directory)) {
        my $is_live = SmtpAuth::Manifest::is_live($change);
        next if ++$kept{$is_live} <= $KEPT;
        # It was interrupted, and nothing has restored yet what it replaced.
        next if is_there("$directory/changes/$change->{name}/change.pl");
        push @old, "$directory/changes/$change->{name}";
        $pruned = number_of($change) . " $change->{name}\n$pruned" if $is_live;
    }
    return if !@old;
    replace("$directory/pruned", (read_file("$directory/pruned") // q{}) . $pruned) if length $pruned;
    run('rm', '-rf', q{--}, @old);
    return;
}

# -- what is known of this change and of earlier ones -------------------------------------------------

sub before {
    my ($self, $path) = @_;
    for my $change (reverse manifests_in($self->{directory})) {
        my $folder = "$self->{directory}/changes/$change->{name}";
        my $digest = _digest_in($folder, 'before', $path) // next;
        return ($digest, "$folder/before$path");
    }
    return;
}

sub is_taken_over {
    my ($self) = @_;
    my @begun = grep { is_there("$self->{directory}/changes/$_->{name}/digests") } manifests_in($self->{directory});
    return $begun[-1]{name} ne $self->{name};
}

# Undef if the change did not write this file.
sub _digest_in {
    my ($folder, $when, $path) = @_;
    for my $pair (pairs_in(read_file("$folder/digests") // q{})) {
        my ($digest, $of) = split /[ ]/x, $pair->[1], 2;
        return $digest if $pair->[0] eq $when && $of eq $path;
    }
    return;
}

sub is_proved {
    my ($self, $path) = @_;
    for my $change (reverse manifests_in($self->{directory})) {
        next if !defined _digest_in("$self->{directory}/changes/$change->{name}", 'after', $path);
        return SmtpAuth::Manifest::is_live($change);
    }
    return 0;
}

sub last_is_proved {
    my ($self) = @_;
    my @live = grep { SmtpAuth::Manifest::is_live($_) } manifests_in($self->{directory});
    return @live && value_in($live[-1]{text}, 'submissions_proved') && !$self->_edited_since($live[-1]{name});
}

sub _edited_since {
    my ($self, $name) = @_;
    my $after = "$self->{directory}/changes/$name/after";
    return scalar grep { (read_file("$after$_") // q{}) ne (read_file($_) // q{}) } files_below($after);
}

sub keep_proved {
    my ($self, $states) = @_;
    my $directory = $self->{directory};
    my %known = (%{ states_in($directory) }, %{$states});
    make_directories($directory, $FOR_ITS_OWNER);
    replace("$directory/proved", join q{}, map { as_line($_, $known{$_}) } sort keys %known);
    return;
}

sub keep_aside {
    my ($self, $path, $version) = @_;
    my $content = read_file($version) // return;
    for my $change (manifests_in($self->{directory})) {
        my $before = read_file("$self->{directory}/changes/$change->{name}/before$path");
        return if defined $before && $before eq $content;
    }
    my $aside = "$self->{directory}/aside";
    my $folder = "$aside/" . _free($aside, $self->{instructions}->one('id'));
    copy_below($folder, {$path => $version}, $path);
    sync_tree($folder);
    sync_directory($_) for $aside, $self->{directory};
    return;
}

1;

package SmtpAuth::Record;

# The record of changes. Only root can read it. Its directory contains, in addition to the files of SmtpAuth::Baseline:
#
#   changes/ID/manifest.json   who changed what, with which version of this program, with which outcome
#   changes/ID/ledger.json     what is ours in this host's configuration, before the change and after it
#   changes/ID/before/PATH     each file that the change replaced, as it was
#   changes/ID/after/PATH      each file that it wrote, with the same content but not the same mode
#   aside/ID/PATH              a version of PATH that change ID found beside it, left by an interrupted change, and that no
#                              change has in its folder; never deleted
#   proved                     the state in which each service was proved last: see SmtpAuth::Proved
#   last                       the answer of the last change or reload: its outcome
#   pruned                     when the newest deleted live change began, and its ID
#
# Outcomes: live (proved), refused (no file was replaced), put back (it did not work, and the restored files do), failed (it
# does not work, and nothing could be restored, or the restored files do not work either), unfinished (it is running, or
# the host has lost its power meanwhile).
#
#   new INSTRUCTIONS           the record, for the change that these instructions describe
#   begin UNSERVED, PROVED     writes the change's folder, before the first file is replaced; dies if that fails. UNSERVED
#                              are the ports that do not work. PROVED is a hash of the files whose current version was
#                              never proved: path to the file with the version that was proved last; to undef if there
#                              was none
#   go_live                    marks the change as live: from now on it is not put back. Dies if that fails
#   is_live                    whether the change is live
#   end OUTCOME, SAID          writes the outcome into the folder, for the controller that waits for it, and to the journal
#   unserved                   the ports that did not work before this change
#   last_is_live               whether the newest change in the record is live
#   last_is_proved             whether the newest live change was proved, and its files are still as it wrote them
#   keep_proved STATES         keeps that services were proved: a hash, key to state (SmtpAuth::Proved). Dies if that fails
#   keep_aside PATH, VERSION   keeps an earlier version of a file, unless a change has it in its folder; dies if that fails

use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use SmtpAuth::Baseline qw(keep_baseline);
use SmtpAuth::Files qw(content_of directory_of);
use SmtpAuth::Lines qw(as_line);
use SmtpAuth::Manifest qw(completed manifests_in value_in);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Proved qw(states_in);
use SmtpAuth::Writing qw(copy_below make_directories replace sync_directory);

# How many live changes are kept, and how many others.
my $KEPT = 20;

my $FOR_ITS_OWNER = oct '700';

# Facility daemon, severity info (RFC 3164).
my $PRIORITY = 30;

sub new {
    my ($class, $instructions) = @_;
    my $directory = $instructions->one('record');
    return bless {
        instructions => $instructions,
        directory => $directory,
        folder => "$directory/changes/" . $instructions->one('id'),
        began => POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime),
        unserved => undef,
    }, $class;
}

sub begin {
    my ($self, $unserved, $proved) = @_;
    my ($instructions, $folder) = @{$self}{qw(instructions folder)};
    $self->{unserved} = $unserved;
    make_directories($folder, $FOR_ITS_OWNER);
    $self->_write_manifest('manifest.json', 'unfinished', q{});
    # A rename of this file makes the change live, because a rename needs no space on the disk.
    $self->_write_manifest('manifest.live', 'live', q{});
    copy_below("$folder/before", $proved, map { $instructions->path_of($_) } $instructions->changed_files);
    for my $key ($instructions->new_files) {
        my $after = "$folder/after" . $instructions->path_of($key);
        make_directories(directory_of($after), $FOR_ITS_OWNER);
        replace($after, $instructions->of_file($key, 'content'));
    }
    replace("$folder/ledger.json", $instructions->one('ledger'));
    keep_baseline($instructions);
    sync_directory($_) for $folder, "$self->{directory}/changes", $self->{directory}, directory_of($self->{directory});
    return;
}

sub go_live {
    my ($self) = @_;
    my $folder = $self->{folder};
    rename "$folder/manifest.live", "$folder/manifest.json" or die "cannot write the record: $!\n";
    sync_directory($folder);
    return;
}

sub is_live { my ($self) = @_; return value_in($self->_manifest, 'outcome') eq 'live' }

sub end {
    my ($self, $outcome, $said) = @_;
    my $is_on_record = eval { $self->_write_end($outcome, $said); 1 };
    my $journal = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => '/dev/log') or return $is_on_record;
    my ($id, $user, $controller) = map { $self->{instructions}->one($_) } qw(id ssh_user controller);
    my $what = $self->{instructions}->changed_files ? 'change' : 'reload';
    $journal->send("<$PRIORITY>smtp-auth: $what $id by $user ($controller): $outcome");
    return $is_on_record;
}

sub _write_end {
    my ($self, $outcome, $said) = @_;
    my ($instructions, $directory, $folder) = @{$self}{qw(instructions directory folder)};
    if ($instructions->changed_files && $outcome ne 'live') {
        make_directories($folder, $FOR_ITS_OWNER);
        $self->_write_manifest('manifest.json', $outcome, $said);
        unlink "$folder/manifest.live";
    }
    make_directories($directory, $FOR_ITS_OWNER);
    my @last = ([id => $instructions->one('id')], [said => $said], [outcome => $outcome]);
    replace("$directory/last", join q{}, map { as_line(@{$_}) } @last);
    $self->_prune;
    return;
}

sub unserved {
    my ($self) = @_;
    # If another process began this change and was killed, they are in the manifest.
    return @{ $self->{unserved} // [split /[ ]/x, value_in($self->_manifest, 'unserved')] };
}

sub last_is_live {
    my ($self) = @_;
    my @changes = manifests_in($self->{directory});
    return @changes && SmtpAuth::Manifest::is_live($changes[-1]);
}

sub last_is_proved {
    my ($self) = @_;
    my @live = grep { SmtpAuth::Manifest::is_live($_) } manifests_in($self->{directory});
    return @live && value_in($live[-1]{text}, 'submissions_proved') && !$self->_edited_since($live[-1]{id});
}

sub _edited_since {
    my ($self, $id) = @_;
    for my $path (map { $self->{instructions}->path_of($_) } $self->{instructions}->files) {
        my $written = content_of("$self->{directory}/changes/$id/after$path");
        return 1 if defined $written && $written ne (content_of($path) // q{});
    }
    return 0;
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
    my $content = content_of($version);
    for my $change (manifests_in($self->{directory})) {
        my $before = content_of("$self->{directory}/changes/$change->{id}/before$path");
        return if defined $before && $before eq $content;
    }
    copy_below("$self->{directory}/aside/" . $self->{instructions}->one('id'), {$path => $version}, $path);
    return;
}

sub _manifest { my ($self) = @_; return scalar content_of("$self->{folder}/manifest.json") }

# Writes the manifest from the instructions, with what only the host knows.
sub _write_manifest {
    my ($self, $name, $outcome, $said) = @_;
    my %more = (began => $self->{began}, outcome => $outcome, said => $said);
    $more{ssh_user} = $self->{instructions}->one('ssh_user');
    $more{unserved} = join q{ }, $self->unserved;
    replace("$self->{folder}/$name", completed($self->{instructions}->one('manifest'), \%more));
    return;
}

sub _prune {
    my ($self) = @_;
    my ($directory, $newest) = ($self->{directory}, q{});
    my (%kept, @old);
    for my $change (reverse manifests_in($directory)) {
        my $is_live = SmtpAuth::Manifest::is_live($change);
        next if ++$kept{$is_live} <= $KEPT;
        push @old, "$directory/changes/$change->{id}";
        $newest ||= value_in($change->{text}, 'began') . " $change->{id}\n" if $is_live;
    }
    return if !@old;
    replace("$directory/pruned", $newest) if $newest gt (content_of("$directory/pruned") // q{});
    run('rm', '-rf', q{--}, @old);
    return;
}

1;

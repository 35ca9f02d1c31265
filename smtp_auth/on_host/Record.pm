package SmtpAuth::Record;

# The record of changes, readable by root alone. In its directory, beside SmtpAuth::Baseline:
#
#   changes/ID/manifest.json   who changed what, from which version of this program, with which outcome
#   changes/ID/ledger.json     what is ours of this host's configuration, before the change and after it
#   changes/ID/before/PATH     each file that the change replaced, as it was
#   changes/ID/after/PATH      each file that it wrote, as it wrote it; without its mode
#   aside/ID/PATH              what change ID found beside PATH, left by an earlier one, if no change has it on record; never
#                              thrown away
#   last                       what became of the last change, as it was answered; of a reload alone, too
#   pruned                     when the newest live change that is no longer kept began, and its ID
#
# Outcomes: live (proved), refused (nothing was touched), put back (it did not serve; what was before does),
# failed (it does not serve, and there is nothing to put back, or that does not serve either), unfinished (it
# runs, or the host has lost its power meanwhile).
#
#   new INSTRUCTIONS           the record as a change writes it
#   begin UNSERVED, PROVED     what is there before the first file is touched; dies where that cannot be written.
#                              UNSERVED are the ports that do not serve. PROVED has the files whose present version was
#                              never proved: path to the file with the version that was proved last, or to undef where
#                              that was none
#   go_live                    this moment makes the change live: what is not put back by now stays. Dies likewise
#   is_live                    whether it did
#   end OUTCOME, SAID          for the folder, for whoever waits for the change, and for the journal
#   unserved                   the ports that did not serve before this change
#   last_is_live               whether the newest change on record went live
#   last_is_proved             whether the newest one that went live was proved, and its files are as it wrote them
#   keep_aside PATH, VERSION   keeps an earlier version of a file, unless a change has it; dies where it cannot

use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use SmtpAuth::Baseline qw(keep_baseline);
use SmtpAuth::Files qw(content_of directory_of);
use SmtpAuth::Lines qw(as_line);
use SmtpAuth::Manifest qw(completed manifests_in value_in);
use SmtpAuth::Programs qw(run);
use SmtpAuth::Writing qw(copy_below make_directories replace sync_directory);

# How many changes stay: so many that went live, and so many others.
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
    # A change goes live with a rename, which needs no space.
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
    # A change that puts back after another process was killed finds them on record.
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

# What the instructions say of the change, and what only the host knows.
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

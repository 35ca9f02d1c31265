package SmtpAuth::Recovery;

# A systemd unit that finishes a change after the host has lost its power, or was restarted, in the middle of it: before the
# services start, it runs the program of the change once more, to restore the old files (`boot`, see SmtpAuth::Transaction). It
# exists only while a change is under way, or could not be restored. systemd reads it when the host boots; it needs no `systemctl daemon-reload`.
#
#   new INSTRUCTIONS, UNITS    UNITS are the units of the services, which start after it
#   install PLACES             creates the unit, on the disk. PLACES are the directories that it needs. Dies if that fails
#   remove_others NAME         deletes the programs of all other changes: change NAME has taken over what they left behind, or has
#                              proved it. NAME is undef for a change that has no folder. Dies if that fails
#   remove NAME                deletes the program of change NAME, and the unit if no other change needs it. NAME is undef for a
#                              change that has no folder
#   note WHY                   prints and keeps, until they are or the host boots again, why files could not be restored: SmtpAuth::Look
#                              prints it
#   noted_in RUN               the path of that note, in the directory `run` of the instructions

use strict;
use warnings;
use Exporter qw(import);
use SmtpAuth::Files qw(directory_of is_there names_in);
use SmtpAuth::Writing qw(make_directories replace sync_directory);

our @EXPORT_OK = qw(noted_in);

my $NAME = 'smtp-auth-recovery.service';
my $TARGET = 'multi-user.target.wants';

# A full disk or a broken one must not keep the services from starting.
my $PATIENCE = 120;

my $FOR_EVERYBODY = oct '755';
my $READABLE = oct '644';

sub new {
    my ($class, $instructions, @units) = @_;
    my ($units, $record, $run) = map { $instructions->one($_) } qw(units record run);
    return bless {
        unit => "$units/$NAME",
        link => "$units/$TARGET/$NAME",
        changes => "$record/changes",
        noted => noted_in($run),
        before => join(q{ }, @units),
    }, $class;
}

sub noted_in { my ($run) = @_; return "$run/smtp-auth-not-restored" }

sub install {
    my ($self, @places) = @_;
    my ($unit, $link, $changes) = @{$self}{qw(unit link changes)};
    my $needed = join q{ }, map { _quoted($_) } @places;
    # If no change has begun, or the last one was finished, only the unit is left. By default, a unit starts after all sockets
    # (systemd.special(7), basic.target), and Dovecot may have one.
    my $run = "status=0; for program in $changes/*/change.pl; do "
        . qq{test ! -e "\$program" || $^X "\$program" boot || status=1; done; }
        . qq{for program in $changes/*/change.pl; do test ! -e "\$program" || exit \$status; done; rm -f $link $unit};
    make_directories(directory_of($link), $FOR_EVERYBODY);
    replace($unit, <<"END", $READABLE);
[Unit]
Description=Restores the mail configuration after an interrupted change
DefaultDependencies=no
RequiresMountsFor=$needed
After=local-fs.target
Before=$self->{before} shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c ${\ _quoted($run =~ s/\$/\$\$/gxr)}
TimeoutStartSec=$PATIENCE
END
    symlink $unit, $link or $!{EEXIST} or die "cannot create $link: $!\n";
    sync_directory($_) for map { directory_of($_) } $unit, $link;
    return;
}

# As systemd.syntax(7) says; `%` is its own character (systemd.unit(5)), and in a command `$`, too (systemd.service(5)).
sub _quoted {
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/gx;
    $text =~ s/%/%%/gx;
    return qq{"$text"};
}

sub remove_others {
    my ($self, $name) = @_;
    my $own = defined $name ? $self->_program($name) : q{};
    for my $program (grep { $_ ne $own } $self->_programs) {
        unlink $program or next;
        # If it came back after a power cut, it would restore older files.
        sync_directory(directory_of($program));
    }
    return;
}

sub remove {
    my ($self, $name) = @_;
    # What cannot be deleted is deleted by the next change, or when the host boots.
    unlink $self->_program($name) if defined $name;
    return if !eval { !$self->_programs };
    unlink $self->{link}, $self->{noted};
    # Without its unit, the link would stay, because nobody deletes it when the host boots.
    unlink $self->{unit}, "$self->{unit}.new" if !-l $self->{link};
    return;
}

sub _program { my ($self, $name) = @_; return "$self->{changes}/$name/change.pl" }

sub _programs {
    my ($self) = @_;
    return grep { is_there($_) } map { $self->_program($_) } grep { !/^[.]/x } names_in($self->{changes});
}

sub note {
    my ($self, $why) = @_;
    # The journal has it, too.
    print "$why\n" or 1;
    return replace($self->{noted}, $why);
}

1;

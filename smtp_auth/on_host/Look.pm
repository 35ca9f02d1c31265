package SmtpAuth::Look;

# Prints the state of a mail host, for smtp_auth/facts/look.py. Changes nothing.
#
#   main SERVICES, WORDS…    returns 0; dies if a word names an unknown service
#
# WORDS are key=value; those with a `…` may be repeated. The packages of services describe further words.
#   record=DIR                 the directory of the record of changes
#   file=KEY=SERVICE=NAME …    a file in the directory of the service with this key
#
# SERVICES are the names of packages, one for each service, with these methods:
#   new ASKED       asks the service's own programs. ASKED is a hash of the words: a list for `file`, `certificate` and
#                   `parameter`, one value for any other word
#   key             the service's name in words
#   directory       the directory of its files
#   describe LOOK   prints everything about the service except its files. LOOK is an object of this package:
#     service KEY          returns the object of another service
#     sockets              returns the sockets that listen: see SmtpAuth::Processes
#     files_of KEY         returns the paths of the files in the arguments that belong to a service
#     compare_with_proved KEY, STATE   prints `proved KEY` if the service was proved in this state: see SmtpAuth::Proved
#     changed KEY, PATH…   makes this package print `KEY.changed`: the latest ctime of these paths, and of the files behind
#                          symbolic links
#
# It prints lines of SmtpAuth::Lines. The packages of services describe their lines. The other lines are
#   uid                        the effective user
#   command …                  systemctl, if it is in the PATH
#   machine.…                   which machine this is: see SmtpAuth::Machine
#   without_systemd            1 if systemd is not process 1
#   masked.SERVICE             the path that masks the unit SERVICE.service, if one does
#   inactive …                 each SERVICE whose unit is not active; these two of postfix and dovecot
#   file …                     the KEY of each file; and for each file:
#   file.KEY.path                its path, whether it exists or not
#   file.KEY.real_path           the path with symbolic links resolved, also if the file or its directory does not exist
#   file.KEY.writer …            who besides root may write to a directory on the way to it, as SmtpAuth::Ways says it, with NUL
#                                between its parts
#   file.KEY.odd                 if the path has something else than a file, what it is; then without the lines below
#   file.KEY.mode, .user, .group, .content   these and the line below only if the file exists and can be read
#   file.KEY.changed             its ctime
#   leftover …                 a file that an interrupted change has left in the directory of a service or of a file
#   listening …                each of the ports 25 and 465 on which any program listens
#   proved …                   the key of a service that was proved since it was last started or changed
#   last_change.id, .began     the ID of the run of the last live change, if there is one, and when it began by this host's clock
#   last_change.controller, .ssh_user   who made it; JSON strings without their quotation marks
#   ledger                     its ledger.json
#   unfinished_ledger          the ledger.json of the newest change after it that may have left some of its files: that is
#                              unfinished, or failed
#   hold                       the hold that is in force by this host's clock, as SmtpAuth::Hold's value_of says it
#   not_restored               why the host could not restore an interrupted change when it booted: see SmtpAuth::Recovery
#   edited …                   the real path of a file that the last live change wrote and that is different now
#   complete                   1: the lines above are complete

use strict;
use warnings;
use Cwd ();
use SmtpAuth::Beside qw(leftovers_in);
use SmtpAuth::Files qw(content_of directory_of files_below group_name name_of permissions read_file user_name);
use SmtpAuth::Hold qw(hold_in value_of);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Machine qw(answer_machine);
use SmtpAuth::Manifest qw(is_live manifests_in outcome_of run_of value_in);
use SmtpAuth::Processes qw(listening);
use SmtpAuth::Programs qw(found output_of prepare);
use SmtpAuth::Proved qw(is_proved);
use SmtpAuth::Recovery qw(noted_in);
use SmtpAuth::Units qw(has_systemd is_active mask_of);
use SmtpAuth::Ways qw(way_to);

my @PORTS = (25, 465);

my $RUN = '/run';

# A hook may be a program. No other file of a service is as long.
my $MOST_BYTES = 16 * 1024 * 1024;

# The services that a change reloads, and certbot's hook, too.
my @RELOADED = qw(postfix dovecot);

sub main {
    my ($packages, @words) = @_;
    prepare();
    my $asked = _asked(@words);
    my @services = map { $_->new($asked) } @{$packages};
    my $self = bless {
        services => {map { ($_->key => $_) } @services},
        sockets  => [listening()],
        searched => {},
        record   => $asked->{record},
        files    => [map { [split /=/x, $_, 3] } @{ $asked->{file} }],
        changed  => [],
    }, __PACKAGE__;
    answer('uid', $>);
    answer('command', 'systemctl') if found('systemctl');
    answer_machine();
    _describe_units();
    for my $service (@services) {
        $service->describe($self);
        $self->_search_for_leftovers($service->directory);
    }
    $self->_describe_file(@{$_}) for @{ $self->{files} };
    my %is_open = map { $_->{port} => 1 } $self->sockets;
    for my $port (grep { $is_open{$_} } @PORTS) {
        answer('listening', $port);
    }
    # Only root can read the record.
    if ($> == 0) {
        _describe_last_change($asked->{record});
        my $hold = hold_in($asked->{record});
        answer('hold', value_of($hold)) if $hold;
    }
    my $why = content_of(noted_in($RUN));
    answer('not_restored', $why) if defined $why;
    $self->_answer_changed;
    answer('complete', 1);
    return 0;
}

sub service { my ($self, $key) = @_; return $self->{services}{$key} // die "no service '$key'\n" }

sub sockets { my ($self) = @_; return @{ $self->{sockets} } }

sub files_of {
    my ($self, $service) = @_;
    return map { $self->_path(@{$_}[1, 2]) } grep { $_->[1] eq $service } @{ $self->{files} };
}

sub _path { my ($self, $service, $name) = @_; return $self->service($service)->directory . "/$name" }

sub compare_with_proved {
    my ($self, $key, $state) = @_;
    answer('proved', $key) if is_proved($self->{record}, $key, $state);
    return;
}

sub changed {
    my ($self, $key, @paths) = @_;
    my @there = grep { -e } @paths;
    push @{ $self->{changed} }, {key => $key, paths => [(map { Cwd::abs_path($_) // () } @there), grep { -l } @there]};
    return;
}

sub _asked {
    my @words = @_;
    my %asked = (file => [], certificate => [], parameter => []);
    for my $word (@words) {
        my ($key, $value) = split /=/x, $word, 2;
        if (ref $asked{$key}) { push @{ $asked{$key} }, $value }
        else                  { $asked{$key} = $value }
    }
    return \%asked;
}

sub _describe_units {
    return answer('without_systemd', 1) if !has_systemd();
    for my $service (@RELOADED) {
        my $mask = mask_of("$service.service");
        answer("masked.$service", $mask) if defined $mask;
        answer('inactive', $service) if !is_active("$service.service");
    }
    return;
}

sub _describe_file {
    my ($self, $key, $service, $name) = @_;
    my $path = $self->_path($service, $name);
    my $real = _real($path);
    answer('file', $key);
    answer("file.$key.path", $path);
    answer("file.$key.real_path", $real);
    my $way = way_to($path);
    for my $writer ($way->writers) {
        answer("file.$key.writer", join "\0", @{$writer});
    }
    return if !-e $path && !-l $path;
    my ($file, $why) = $way->file($MOST_BYTES);
    my $odd = _oddity($path) || (defined $why && $why !~ /^cannot/x ? "a file that $why" : q{});
    if ($odd) {
        answer("file.$key.odd", $odd);
        return;
    }
    return if !$file;
    my @stat = stat $file;
    my ($content) = $way->content($MOST_BYTES);
    return if !defined $content;
    my %found = (
        mode      => permissions($stat[2]),
        user      => user_name($stat[4]),
        group     => group_name($stat[5]),
        content   => $content,
    );
    for my $what (sort keys %found) {
        answer("file.$key.$what", $found{$what});
    }
    $self->changed("file.$key", $path);
    $self->_search_for_leftovers(directory_of($real));
    return;
}

# The one path of a file, whichever links lead to it; also before it and its directory exist, so that its path in the record
# does not depend on that.
sub _real {
    my ($path) = @_;
    my ($directory, $missing) = ($path, q{});
    while (length $directory) {
        my $real = Cwd::abs_path($directory);
        return $real . $missing if defined $real && (!length $missing || -e $real);
        # What is behind a link may be missing because it is not mounted, so nothing is made there.
        last if -l $directory;
        $missing = q{/} . name_of($directory) . $missing;
        $directory = directory_of($directory);
    }
    return $path;
}

# What a path has instead of a file; empty if it has a file.
sub _oddity {
    my ($path) = @_;
    return 'a link to ' . readlink($path) . ', which does not exist' if !-e $path;
    return 'a directory' if -d _;
    return -f _ ? q{} : 'no file';
}

sub _search_for_leftovers {
    my ($self, $directory) = @_;
    my $real = _real($directory);
    return if $self->{searched}{$real}++;
    for my $path (leftovers_in($real)) {
        answer('leftover', $path);
    }
    return;
}

sub _describe_last_change {
    my ($records) = @_;
    my @changes = manifests_in($records);
    my @since;
    unshift @since, pop @changes while @changes && !is_live($changes[-1]);
    my ($torn) = reverse grep { outcome_of($_) =~ /^(?:unfinished|failed)$/x } @since;
    _answer_ledger('unfinished_ledger', $records, $torn->{name}) if $torn;
    my $change = $changes[-1] // return;
    _answer_ledger('ledger', $records, $change->{name});
    answer('last_change.id', run_of($change->{name}));
    for my $key (qw(controller ssh_user began)) {
        answer("last_change.$key", value_in($change->{text}, $key));
    }
    # The path is that of the time of the change. Since then, its directory may have become a link.
    my $after = "$records/changes/$change->{name}/after";
    for my $path (sort { $a cmp $b } files_below($after)) {
        answer('edited', _real($path)) if (read_file("$after$path") // q{}) ne (content_of($path) // q{});
    }
    return;
}

sub _answer_ledger {
    my ($key, $records, $name) = @_;
    my $ledger = read_file("$records/changes/$name/ledger.json");
    answer($key, $ledger) if defined $ledger;
    return;
}

# One call of stat(1) at the end for all paths, because Debian's perl-base cannot read the fractions of these times.
sub _answer_changed {
    my ($self) = @_;
    my @paths = map { @{ $_->{paths} } } @{ $self->{changed} } or return;
    my %time;
    for my $line (split /\n/x, output_of('stat', '--format=%.9Z %n', '--', @paths)) {
        my ($time, $path) = split /[ ]/x, $line, 2;
        $time{$path} = $time;
    }
    for my $noted (@{ $self->{changed} }) {
        my ($latest) = sort { $b <=> $a } map { $time{$_} // () } @{ $noted->{paths} };
        answer("$noted->{key}.changed", $latest) if defined $latest;
    }
    return;
}

1;

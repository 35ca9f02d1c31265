package SmtpAuth::Look;

# Prints what a mail host is, for smtp_auth/facts/look.py to read; changes nothing.
#
#   main SERVICES, WORDS…    gives 0; dies where a word names an unknown service
#
# WORDS are key=value; those with a `…` may be repeated. Services ask for more of them.
#   record=DIR                 the directory of the record of changes
#   file=KEY=SERVICE=NAME …    a file in the directory of the service with this key
#
# SERVICES are the names of packages, one for each service, with these methods:
#   new ASKED       asks the service's own programs. ASKED is a hash of the words: a list for `file`, `certificate` and
#                   `parameter`, one value for any other
#   key             what words call the service
#   directory       where its files are
#   describe LOOK   prints all that is known of it but its files. LOOK is an object of this package:
#     service KEY          another service, to be asked what that one's package says
#     ports                a hash of what listens on the ports of mail programs: `socket:[INODE]` to 25 or 465
#     changed KEY, PATH…   has `KEY.changed` printed, when the latest of these paths changed, behind any links, too
#
# It prints lines of SmtpAuth::Lines. All that services print is said in their packages; all the others are
#   uid                        the effective user
#   command …                  of systemctl and flock, those that are in the PATH
#   file …                     the KEY of each file, and of each
#   file.KEY.path                where it is or would be
#   file.KEY.odd                 what stands there where a file cannot be written; none of the lines below then
#   file.KEY.real_path           behind any links
#   file.KEY.mode, .user, .group, .content   this and those below only where the file is there and can be read
#   file.KEY.changed             its ctime
#   leftover …                 a file that a change which died halfway has left in the directory of a service or of a file
#   listening …                25 and 465, where any program listens there
#   last_change.id, .began     of the last change on record that went live, if any: its ID, and when by this host's clock
#   last_change.controller, .ssh_user   who made it; strings of JSON without their quotation marks
#   ledger                     its ledger.json
#   unfinished_ledger          that of a newer change that came to no end, if there is one
#   edited …                   the real path of a file that this change wrote and that is another now
#   complete                   1: nothing is missing above

use strict;
use warnings;
use Cwd ();
use SmtpAuth::Beside qw(leftovers_in);
use SmtpAuth::Files qw(content_of directory_of group_name permissions user_name);
use SmtpAuth::Lines qw(answer);
use SmtpAuth::Manifest qw(is_live manifests_in value_in);
use SmtpAuth::Processes qw(listening_sockets);
use SmtpAuth::Programs qw(found output_of prepare);

my @PORTS = (25, 465);

sub main {
    my ($packages, @words) = @_;
    prepare();
    my $asked = _asked(@words);
    my @services = map { $_->new($asked) } @{$packages};
    my $self = bless {
        services => {map { ($_->key => $_) } @services},
        ports    => _open_ports(),
        searched => {},
        changed  => [],
    }, __PACKAGE__;
    answer('uid', $>);
    for my $command (grep { found($_) } qw(systemctl flock)) {
        answer('command', $command);
    }
    for my $service (@services) {
        $service->describe($self);
        $self->_search_for_leftovers($service->directory);
    }
    my @paths = map { $self->_describe_file(split /=/x, $_, 3) } @{ $asked->{file} };
    my %is_open = reverse $self->ports;
    for my $port (grep { $is_open{$_} } @PORTS) {
        answer('listening', $port);
    }
    _describe_last_change($asked->{record}, @paths);
    $self->_answer_changed;
    answer('complete', 1);
    return 0;
}

sub service { my ($self, $key) = @_; return $self->{services}{$key} // die "no service '$key'\n" }

sub ports { my ($self) = @_; return %{ $self->{ports} } }

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

sub _open_ports {
    my %port = listening_sockets();
    my %wanted = map { $_ => 1 } @PORTS;
    return {map { $_ => $port{$_} } grep { $wanted{ $port{$_} } } keys %port};
}

# Returns the file's real path, or what it would be.
sub _describe_file {
    my ($self, $key, $service, $name) = @_;
    my $path = $self->service($service)->directory . "/$name";
    my $real = Cwd::abs_path($path) // $path;
    answer('file', $key);
    answer("file.$key.path", $path);
    answer("file.$key.real_path", $real);
    return $real if !-e $path && !-l $path;
    my @stat = stat $path;
    if (my $odd = _oddity($path)) {
        answer("file.$key.odd", $odd);
        return $real;
    }
    my $content = content_of($path);
    return $real if !@stat || !defined $content;
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
    return $real;
}

# What stands at a path where a file cannot be written; empty for a file.
sub _oddity {
    my ($path) = @_;
    return 'a link to ' . readlink($path) . ', which does not exist' if !-e $path;
    return 'a directory' if -d _;
    return -f _ ? q{} : 'no file';
}

sub _search_for_leftovers {
    my ($self, $directory) = @_;
    return if $self->{searched}{$directory}++;
    for my $path (leftovers_in($directory)) {
        answer('leftover', $path);
    }
    return;
}

sub _describe_last_change {
    my ($records, @paths) = @_;
    my @changes = manifests_in($records);
    my $newest = $changes[-1] // return;
    _answer_ledger('unfinished_ledger', $records, $newest->{id})
        if value_in($newest->{text}, 'outcome') eq 'unfinished';
    my $change = (grep { is_live($_) } @changes)[-1] // return;
    _answer_ledger('ledger', $records, $change->{id});
    answer('last_change.id', $change->{id});
    for my $key (qw(controller ssh_user began)) {
        answer("last_change.$key", value_in($change->{text}, $key));
    }
    for my $path (sort @paths) {
        my $written = content_of("$records/changes/$change->{id}/after$path");
        answer('edited', $path) if defined $written && $written ne (content_of($path) // q{});
    }
    return;
}

sub _answer_ledger {
    my ($key, $records, $id) = @_;
    my $ledger = content_of("$records/changes/$id/ledger.json");
    answer($key, $ledger) if defined $ledger;
    return;
}

# Asked at the end, of all at once and of stat(1): Debian's perl-base cannot read the fractions of these times.
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

# Prints what is known about a mail host, one "key TAB value" per line, with every byte outside printable
# ASCII and every "%" as %XX. Reads only. Its arguments are key=value words, the last three repeated:
#   live=DIR                   the directory of the lineages
#   hostname=NAME              what mail programs connect to
#   record=DIR                 the directory of the record of changes
#   file=KEY=PLACE=NAME        a file of Postfix's, Dovecot's or certbot's (PLACE: postfix, dovecot, certbot)
#   certificate=DOMAIN=DIR     a domain and the directory of its lineage
#   parameter=NAME             a parameter of Postfix
use strict;
use warnings;
use Cwd ();

my (%one, %many);
for (@ARGV) {
    my ($key, $value) = split /=/, $_, 2;
    $one{$key} = $value;
    push @{ $many{$key} }, $value;
}
$ENV{LC_ALL} = "C";
$ENV{PATH} = join ":", grep { defined && length } $ENV{PATH}, "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin";
# A process's age is reckoned from a moment of which both clocks are known: the start of this shell, which
# becomes date(1). The start of this program would not do: it waits until all of it has arrived.
my ($stat, $now) = split /\n/, output("sh", "-c", 'read -r stat </proc/$$/stat; echo "$stat"; exec date +%s.%N');
my $ticks_now = ticks_in($stat);

sub say_value {
    my ($key, $value) = @_;
    $value =~ s/([^ -\$&-~])/sprintf "%%%02X", ord $1/ge;
    print "$key\t$value\n";
}

sub found {
    my ($command) = @_;
    return grep { -x "$_/$command" } split /:/, $ENV{PATH};
}

# A command's standard output, nothing where it fails; its standard error is of no interest here.
sub output {
    my @command = @_;
    my $pid = open my $pipe, "-|";
    return "" unless defined $pid;
    if (!$pid) {
        open STDERR, ">", "/dev/null";
        exec { $command[0] } @command or exit 127;
    }
    local $/;
    my $text = <$pipe>;
    close $pipe;
    return defined $text && $? == 0 ? $text : "";
}

sub content {
    my ($path) = @_;
    open my $file, "<:raw", $path or return;
    # Perl opens a directory, too, and then reads nothing.
    return if -d $file;
    local $/;
    my $text = <$file>;
    return defined $text ? $text : "";
}

sub owner { my $name = getpwuid $_[0]; return defined $name ? $name : $_[0] }
sub group { my $name = getgrgid $_[0]; return defined $name ? $name : $_[0] }

# When files last changed is asked at the end, of all at once and of stat(1): Debian's perl-base cannot read the
# fractions of these times.
my @changed;

# When the paths last changed; for a link, the later of the link and its target.
sub say_changed { push @changed, [@_] }

# One line per path: "NAME TIME".
sub status { return @_ ? split /\n/, output("stat", "--format=%n %.9Z", @_) : () }

sub say_all_changed {
    my @paths = grep { -e } map { @$_[1 .. $#$_] } @changed;
    my %times;
    for (status("-L", "--", @paths), status("--", grep { -l } @paths)) {
        my ($path, $time) = /^(.*) ([\d.]+)$/ or next;
        push @{ $times{$path} }, $time;
    }
    for (@changed) {
        my ($key, @its) = @$_;
        my ($last) = sort { $b <=> $a } map { @{ $times{$_} || [] } } @its;
        say_value("$key.changed", $last) if defined $last;
    }
}

my %real_path;

sub say_file {
    my ($key, $path) = @_;
    $real_path{$key} = Cwd::abs_path($path) // $path;
    say_value("file", $key);
    say_value("file.$key.path", $path);
    return unless -e $path || -l $path;
    my @stat = stat $path;
    my $odd = !@stat ? "a link to " . readlink($path) . ", which does not exist" : -d _ ? "a directory" : -f _ ? "" : "no file";
    return say_value("file.$key.odd", $odd) if $odd;
    my $real = Cwd::abs_path($path);
    my $text = content($path);
    return unless @stat && defined $real && defined $text;
    say_value("file.$key.real_path", $real);
    say_value("file.$key.mode", sprintf "%04o", $stat[2] & 07777);
    say_value("file.$key.user", owner($stat[4]));
    say_value("file.$key.group", group($stat[5]));
    say_changed("file.$key", $path);
    say_value("file.$key.content", $text);
    (my $directory = $real) =~ s{/[^/]*$}{};
    leftovers($directory);
}

# Files that a run left in the directory because it died halfway.
my %looked;
sub leftovers {
    my ($directory) = @_;
    return if $looked{$directory}++;
    opendir my $handle, $directory or return;
    say_value("leftover", "$directory/$_") for sort grep { /^\..*\.smtp-auth-(new|(old|none)-[0-9a-f]*)~$/ } readdir $handle;
}

# Field 22 of /proc/PID/stat, hundredths of a second since boot.
sub start_ticks {
    my ($pid) = @_;
    my $text = content("/proc/$pid/stat") or return;
    return ticks_in($text);
}

sub ticks_in {
    my ($text) = @_;
    $text =~ s/.*\) //s;
    return (split / /, $text)[19];
}

# Whether the first certificate of a chain in PEM covers the host's name, by itself or by the wildcard for it. No program
# has to read it: a DNS name stands in it as it is, behind its tag and length (dNSName in RFC 5280, section 4.2.1.6).
# MIME::Base64 is not in Debian's perl-base.
sub covers {
    my ($base64) = $_[0] =~ /-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----/s or return 0;
    $base64 =~ tr{A-Za-z0-9+/}{}cd;
    $base64 =~ tr{A-Za-z0-9+/}{ -_};
    my $bytes = lc join "", map { unpack "u", chr(32 + int(length($_) * 3 / 4)) . $_ } $base64 =~ /.{1,60}/g;
    (my $wildcard = $one{hostname}) =~ s/^[^.]*/*/;
    for my $name ($one{hostname}, $wildcard) {
        my $length = length $name < 128 ? chr length $name : "\x81" . chr length $name;
        return 1 if index($bytes, lc "\x82$length$name") >= 0;
    }
    return 0;
}

# When a process started, in seconds since 1970.
sub started {
    my $ticks = start_ticks($_[0]);
    return defined $ticks ? $now - ($ticks_now - $ticks) / 100 : undef;
}

# The process that a file names, if it is that program: the file outlives a stop, and its number may be another's.
sub pid_from {
    my ($path, $name) = @_;
    my ($pid) = (content($path) || "") =~ /(\d+)/ or return;
    return (content("/proc/$pid/comm") || "") eq "$name\n" ? $pid : undef;
}

# The unit of systemd's in which a process runs: the last part of its control group, of version 1 or 2.
sub unit_of { return (content("/proc/$_[0]/cgroup") || "") =~ m{^\d+:(?:name=systemd)?:.*/([^/\n]+)$}m ? $1 : "" }

say_value("uid", $>);
for my $command (qw(postconf doveconf systemctl openssl flock certbot)) {
    say_value("command", $command) if found($command);
}

my %postfix = (config_directory => "/etc/postfix", queue_directory => "/var/spool/postfix");
if (found("postconf")) {
    for my $line (split /\n/, output("postconf", "-x", @{ $many{parameter} || [] })) {
        my ($name, $value) = $line =~ /^(\w+) =\s*(.*)$/ or next;
        $postfix{$name} = $value;
        say_value("parameter.$name", $value);
    }
}

# An owner's indexed table holds copies of the files that its source names (postmap -F).
my %suffix = (hash => "db", btree => "db", lmdb => "lmdb", cdb => "cdb");
my $tables = $postfix{tls_server_sni_maps} || "";
while ($tables =~ m{\b(hash|btree|lmdb|cdb):(/[^\s,{}]+)}g) {
    my ($kind, $path, $index) = ($1, $2, "$2.$suffix{$1}");
    my ($source, $made) = (content($path), (stat $index)[9]);
    next unless defined $source && defined $made;
    my @files = map { split " " } $source =~ /^[^#\s]\S*\s+(.*)/mg;
    say_value("stale_table", "$kind:$path") if grep { (stat)[9] && (stat _)[9] > $made } @files;
}

my $dovecot = "/etc/dovecot";
if (found("doveconf")) {
    my $text = output("doveconf", "-n");
    if ($text =~ /^# ([\d.]+)\S* .*?: (\S+)\/[^\/\s]+$/m) {
        say_value("dovecot_version", $1);
        $dovecot = $2;
    }
    say_value("dovecot_auth", $1) if $text =~ /^(service auth \{\n.*?^\}\n)/ms;
}
(my $letsencrypt = $one{live}) =~ s{/[^/]*$}{};
my %place = (
    postfix => $postfix{config_directory},
    dovecot => "$dovecot/conf.d",
    certbot => "$letsencrypt/renewal-hooks/deploy",
);
leftovers($_) for @place{qw(dovecot certbot)};
for my $file (@{ $many{file} || [] }) {
    my ($key, $place, $name) = split /=/, $file, 3;
    say_file($key, "$place{$place}/$name");
}

my $socket = "$postfix{queue_directory}/private/auth";
if (-S $socket) {
    my @stat = stat $socket;
    say_value("socket.mode", sprintf "%04o", $stat[2] & 07777);
    say_value("socket.user", owner($stat[4]));
    say_value("socket.group", group($stat[5]));
}

my @lineages;
if (opendir my $handle, $one{live}) {
    @lineages = sort grep { -e "$one{live}/$_/fullchain.pem" } grep { !/^\./ } readdir $handle;
}
say_value("lineage", $_) for @lineages;
my %asked = map { (split /=/)[1] => 1 } @{ $many{certificate} || [] };
# The mail domain's comes first; others are of interest where it does not do.
my ($default) = map { (split /=/)[1] } @{ $many{certificate} || [] };
my $does = covers(content("$default/fullchain.pem") || "");
my $number = 0;
for my $name (grep { !$does && !$asked{"$one{live}/$_"} } @lineages) {
    my $text = content("$one{live}/$name/fullchain.pem") || "";
    next unless covers($text);
    my ($leaf) = $text =~ /(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/s;
    # Not by its name, in which any byte may be.
    say_value("covering." . ++$number . ".directory", "$one{live}/$name");
    say_value("covering.$number.chain", "$leaf\n");
}
for my $certificate (@{ $many{certificate} || [] }) {
    my ($domain, $directory) = split /=/, $certificate, 2;
    my ($chain, $key) = map { "$directory/$_.pem" } qw(fullchain privkey);
    say_value("certificate.$domain.directory", $directory);
    my $text = content($chain);
    next unless defined $text;
    say_value("certificate.$domain.chain", $text);
    say_value("certificate.$domain.key", -e $key ? output("openssl", "pkey", "-pubout", "-passin", "pass:", "-in", $key) : "");
    say_changed("certificate.$domain", $chain, $key);
}

# A reload of Postfix restarts its queue manager, so that process is as old as the last reload.
my $master = pid_from("$postfix{queue_directory}/pid/master.pid", "master");
if ($master) {
    my $reloaded = started($master);
    for my $child (split / /, content("/proc/$master/task/$master/children") || "") {
        my $name = content("/proc/$child/comm");
        $reloaded = started($child) if defined $name && $name =~ /^o?qmgr\n/;
    }
    say_value("postfix_reloaded", $reloaded) if defined $reloaded;
    say_value("postfix_unit", unit_of($master));
}
my $dovecot_master = pid_from("/run/dovecot/master.pid", "dovecot");
if ($dovecot_master) {
    say_value("dovecot_running", 1);
    say_value("dovecot_unit", unit_of($dovecot_master));
}

# TCP sockets in state LISTEN (0A), and which of them Postfix holds.
my (%listening, %port);
for my $table ("/proc/net/tcp", "/proc/net/tcp6") {
    for (split /\n/, content($table) || "") {
        my @columns = split;
        next unless @columns > 9 && $columns[3] eq "0A" && $columns[1] =~ /:([0-9A-F]{4})$/;
        $listening{ hex $1 }++;
        $port{"socket:[$columns[9]]"} = hex $1;
    }
}
for my $port (25, 465) {
    say_value("listening", $port) if $listening{$port};
}
if (defined $master && opendir my $handle, "/proc/$master/fd") {
    my %held = map { $_ => 1 } grep { defined } map { $port{ readlink "/proc/$master/fd/$_" || "" } } readdir $handle;
    for my $port (25, 465) {
        say_value("postfix_listening", $port) if $held{$port};
    }
}
# The last change that went live, and which of the files that it wrote were edited since.
my @changes;
if (opendir my $handle, "$one{record}/changes") {
    for my $id (grep { !/^\./ } readdir $handle) {
        my $manifest = content("$one{record}/changes/$id/manifest.json") || "";
        my %of = $manifest =~ /^"(controller|ssh_user|began|outcome)": "((?:[^"\\]|\\.)*)"/mg;
        push @changes, { %of, id => $id } if ($of{outcome} || "") eq "live";
    }
}
@changes = sort { ($a->{began} || "") cmp($b->{began} || "") || $a->{id} cmp $b->{id} } @changes;
if (my $last = $changes[-1]) {
    say_value("last_change.$_", $last->{$_} // "") for qw(id controller ssh_user began);
    my $after = "$one{record}/changes/$last->{id}/after";
    for my $path (sort values %real_path) {
        my $written = content("$after$path");
        say_value("edited", $path) if defined $written && $written ne (content($path) // "");
    }
}
# What version 0.1 kept beside a file: a later change has put it on record.
my @with_previous = grep { -d } map { "$one{record}/changes/$_->{id}/previous" } @changes;
for my $key (sort keys %real_path) {
    my $kept = "$real_path{$key}.previous~";
    my ($previous) = grep { defined } map { scalar content($_ . $kept) } @with_previous, "";
    say_value("file.$key.previous", $previous) if defined $previous;
}
say_all_changed();
say_value("complete", 1);

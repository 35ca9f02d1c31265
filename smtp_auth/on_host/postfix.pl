# Postfix's part of a change. Its orders, each as postfix.NAME:
#   config_directory, queue_directory
#   moving       a service of a port that is in one of the old and the new master.cf alone: `submissions/inet`
#   earlier      not empty if earlier files come back, of which Postfix may have complained then, too
#   wanted       a line that `postconf` must print of the new files
#   hostname     the name that mail programs connect to, and `chain`, the file with its certificate, or empty
#   sni_table    a table of tls_server_sni_maps in which `hostname` may be, before `chain` is served
#   prove        a conversation that proves the change: the arguments of prove.pl without the time, TAB between
#   unserved     a port that is known not to serve before the change; else empty
#   prove_old    a conversation that Postfix led before, and leads again once the old files are back
$part{Postfix} = {
    before => \&complaints_now,
    refused => \&refused_by_postfix,
    running => sub { running("master", "$order{'postfix.queue_directory'}/pid/master.pid") },
    reload => sub {
        # Not "start": Debian 12's postfix.service counts as active after its daemon has died.
        postfix_by_systemd(master_runs() ? "reload" : "restart");
    },
    unserved => \&unserved_by_postfix,
    prove => \&prove_postfix,
    bring_back => \&bring_postfix_back,
    prove_old => \&prove_old_postfix,
};

sub complaints_now { return complaints($order{"postfix.config_directory"}, (run("postconf", "-x"))[1]) }

# `postconf` warns of all that `postfix check`, which calls it twenty times, warns of in these files. `postmap`,
# asked for nothing, refuses what every Postfix program refuses at its start.
sub refused_by_postfix {
    my ($place, $in_place, @before) = @_;
    # A reload onto a port that another program holds ends master.
    return "port 465 is held by another program (ss -ltnp shows which): stop that first"
        if is_held_by_others(465);
    my @in = $in_place ? () : ("-c", $place);
    my ($status, $said) = run("postconf", @in, "-x");
    return $said if $status;
    my ($failed, $options) = run("postconf", @in, "-P");
    return $options if $failed;
    my %read = map { s/\s+$//r => 1 } split /\n/, "$said\n$options";
    my @misread = grep { !$read{$_} } all("postfix.wanted");
    return "Postfix reads it in another way than meant; these are missing:\n" . join "\n", @misread if @misread;
    my ($fatal, $why) = run("postmap", @in, "-q", "any", "static:any");
    return $why if $fatal;
    my $chain = $order{"postfix.chain"} // "";
    return "the certificate in $chain has ended, or cannot be read"
        if length $chain && (run("openssl", "x509", "-noout", "-checkend", "0", "-in", $chain))[0];
    my %known = map { $_ => 1 } @before;
    my @new = grep { !$known{$_} } complaints($place, "$said\n$options");
    return join("\n", @new) if @new && !$order{"postfix.earlier"};
    answer("warning", "Postfix accepts what comes back with a complaint: $_") for @new;
    return refused_by_sni(@in);
}

# What the tables of SNI have for the host's name wins over its certificate. smtpd looks for the name itself, then for
# each parent domain with a dot in front of it (server_sni_callback() in src/tls/tls_misc.c).
sub refused_by_sni {
    my @in = @_;
    my @tables = all("postfix.sni_table");
    my ($name, $chain) = @order{qw(postfix.hostname postfix.chain)};
    return unless @tables && length($chain // "");
    for (my $key = $name; length $key; $key =~ s/^\.?[^.]*//) {
        # With its private key, which goes no further.
        my ($status, $pem) = run("postmap", @in, "-F", "-q", $key, @tables);
        next if $status;
        my ($found, $wanted) = map { /-----BEGIN CERTIFICATE-----(.*?)-----END/s ? $1 =~ s/\s//gr : "" }
            $pem, content_of($chain) || "";
        return if $found eq $wanted;
        return "tls_server_sni_maps (@tables) gives clients that ask for $name another certificate than the one in "
            . "$chain: take $key out of it, or set certificate_name to the lineage that it names";
    }
    return;
}

# Warnings, without the paths and line numbers in which a copy differs from the live files. An unused parameter changes
# nothing: a macro of the owner's may have lost its last use.
sub complaints {
    my ($place, $said) = @_;
    my %found;
    for (grep { /^\S*post\w+: (?:warning|error|fatal)/ && !/: unused parameter: / } split /\n/, $said) {
        s/\Q$place\E/$order{"postfix.config_directory"}/g;
        s/, line \d+:/:/;
        $found{$_} = 1;
    }
    return sort keys %found;
}

# Whether anybody but Postfix listens on a port.
sub is_held_by_others {
    my ($port) = @_;
    my $master = master_runs() or return 0;
    my @columns = map { [split] } map { split /\n/, content_of("/proc/net/$_") || "" } qw(tcp tcp6);
    # The state LISTEN.
    my %listening = map { ("socket:[$_->[9]]" => 1) }
        grep { @$_ > 9 && $_->[3] eq "0A" && $_->[1] =~ /:([0-9A-F]{4})$/ && hex $1 == $port } @columns;
    return %listening && !grep { $listening{ readlink || "" } } glob "/proc/$master/fd/*";
}

sub master_runs { return $part{Postfix}{running}->() }

sub queue_manager {
    my $master = master_runs() or return;
    my ($found) = grep { (content_of("/proc/$_/comm") || "") =~ /^o?qmgr\n/ }
        split / /, content_of("/proc/$master/task/$master/children") || "";
    return $found;
}

# A reload starts the queue manager anew. The command's own status proves nothing on Debian 12, where
# postfix.service only passes the reload on.
sub postfix_by_systemd {
    my ($verb) = @_;
    my $before = queue_manager() || 0;
    my ($status) = run("systemctl", $verb, "postfix");
    die "systemctl $verb postfix failed\n" if $status;
    my $is_new = sub { my $now = queue_manager(); return $now && $now != $before };
    # The reload is also over if master has died of it.
    my $is_over = sub { $is_new->() || ($verb eq "reload" && !master_runs()) };
    return if wait_until(0.5, $is_over) && $is_new->();
    end_those_without_a_service();
    wait_until(20, $is_over);
    die "Postfix did not take the $verb\n" unless $is_new->();
}

# A reload ends the processes of a service that is gone from master.cf, and master waits for that (master(8)). The unit
# of Debian 13 does not give it the right to (CAP_KILL): processes that wait for master in turn then stay, and no mail
# moves any more. This program has that right.
sub end_those_without_a_service {
    my %moving = map { $_ => 1 } all("postfix.moving");
    my $master = master_runs();
    return unless %moving && $master;
    my %there = map { join("/", (split)[0, 1]) => 1 } split /\n/, (run("postconf", "-M"))[1];
    for my $child (split / /, content_of("/proc/$master/task/$master/children") || "") {
        my %option = (content_of("/proc/$child/cmdline") || "") =~ /\0(-[nt])\0([^\0]*)/g;
        my $service = join "/", map { $_ // "" } @option{qw(-n -t)};
        kill "TERM", $child if $moving{$service} && !$there{$service};
    }
}

my $since;

# When Postfix was last asked whether it serves as it was.
my $asked;

# Port 465, if the service there does not serve as it is. Port 25 serves: a look has seen to that. An smtpd that would die
# is not asked: master then starts no other one for a minute, whatever the new configuration is.
sub unserved_by_postfix {
    return $order{"postfix.unserved"} if length $order{"postfix.unserved"};
    $since = began();
    my @unserved = grep { is_of_port_465($_) && !eval { converse($_); 1 } } all("postfix.prove_old");
    $asked = now();
    return @unserved ? 465 : ();
}

sub is_of_port_465 { return (split /\t/, $_[0])[1] == 465 }

sub prove_postfix {
    # What died before the change says nothing of it.
    $since = $asked // began();
    converse($_) for all("postfix.prove");
}

# When an smtpd dies at its start, master does not start that service again for a minute. A restart ends
# this wait, a reload does not.
sub bring_postfix_back {
    my $is_throttled = journal_since($asked // began()) =~ /smtpd: bad command startup -- throttling/;
    return postfix_by_systemd("restart") if $is_throttled;
    eval { $part{Postfix}{reload}->(); 1 } or postfix_by_systemd("restart");
}

sub prove_old_postfix {
    eval { serves_as_before(); 1 } and return;
    postfix_by_systemd("restart");
    serves_as_before();
}

sub serves_as_before {
    # Log lines from before belong to the new version, which is gone.
    $since = now();
    my $is_unserved = grep { $_ == 465 } unserved();
    converse($_) for grep { !$is_unserved || !is_of_port_465($_) } all("postfix.prove_old");
}

sub converse {
    my ($protocol, @how) = split /\t/, $_[0], -1;
    prove_by($protocol, $since, @how);
}

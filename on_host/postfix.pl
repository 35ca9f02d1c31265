# Postfix's part of a change. Its orders, each as postfix.NAME:
#   config_directory, queue_directory
#   wanted       a line that `postconf` must print of the new files
#   service      a service of master.cf of which some of these lines are
#   hostname     the name that mail programs connect to, and `chain`, the file with its certificate, or empty
#   by_name      a further name, a space, and the file with its certificate
#   sni_table    a table of tls_server_sni_maps in which `hostname` may be, before `chain` is served
#   auth         not empty if logins must be offered
#   login_only   not empty if no recipient may be taken from a client that has not logged in
#   port         25 or 465: served before; `wrapped` is not empty if 465 spoke TLS from the first byte
#   proxied      a port on which Postfix waits for a proxy's header; `was_proxied`, one on which it did before
$part{Postfix} = {
    before => \&complaints_now,
    refused => \&refused_by_postfix,
    running => sub { running("master", "$order{'postfix.queue_directory'}/pid/master.pid") },
    reload => sub {
        # Not "start": Debian 12's postfix.service counts as active after its daemon has died.
        postfix_by_systemd(master_runs() ? "reload" : "restart");
    },
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
    my %known = map { $_ => 1 } @before;
    my @new = grep { !$known{$_} } complaints($place, "$said\n$options");
    return @new ? join("\n", @new) : refused_by_sni(@in);
}

# What the tables of SNI have for the host's name wins over its certificate. smtpd looks for the name itself, then for
# each parent domain with a dot in front of it (server_sni_callback() in src/tls/tls_misc.c).
sub refused_by_sni {
    my @in = @_;
    my @tables = all("postfix.sni_table");
    my ($name, $chain) = @order{qw(postfix.hostname postfix.chain)};
    return unless @tables && length $chain;
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
    wait_until(20, sub { $is_new->() || ($verb eq "reload" && !master_runs()) });
    die "Postfix did not take the $verb\n" unless $is_new->();
}

my $since;

sub prove_postfix {
    $since = began();
    my @how = @order{qw(postfix.auth postfix.login_only)};
    for my $port (grep { $_ != 465 } all("postfix.port")) { converse("proxied", $port) }
    converse("proxied", 465, @order{qw(postfix.hostname postfix.chain)}, @how);
    for (all("postfix.by_name")) {
        my ($name, $chain) = split / /, $_, 2;
        converse("proxied", 465, $name, $chain, @how);
    }
}

# When an smtpd dies at its start, master does not start that service again for a minute. A restart ends
# this wait, a reload does not.
sub bring_postfix_back {
    my $is_throttled = journal_since(began()) =~ /smtpd: bad command startup -- throttling/;
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
    for my $port (all("postfix.port")) {
        my $is_wrapped = $port == 465 && $order{"postfix.wrapped"};
        converse("was_proxied", $port, $is_wrapped ? ($order{"postfix.hostname"}, "", "", "") : ());
    }
}

sub converse {
    my ($proxied, $port, @how) = @_;
    prove_by((grep { $_ == $port } all("postfix.$proxied")) ? "proxied" : "smtp", $since, $port, @how);
}

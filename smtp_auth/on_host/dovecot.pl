# Dovecot's part of a change. Its orders, each as dovecot.NAME:
#   directory    where dovecot.conf is
#   dropin       the key of the drop-in
#   socket       the auth listener's path
#   listener     "MODE USER GROUP" that it must have, the mode in octal without a leading 0; empty: it goes
#   had_socket   not empty if it existed before
$part{Dovecot} = {
    refused => \&refused_by_dovecot,
    running => \&dovecot_runs,
    reload => sub {
        my $verb = dovecot_runs() ? "reload" : "restart";
        die "systemctl $verb dovecot failed\n" if (run("systemctl", $verb, "dovecot"))[0];
    },
    prove => \&prove_dovecot,
    bring_back => sub {
        eval { $part{Dovecot}{reload}->(); 1 } and return;
        die "systemctl restart dovecot failed\n" if (run("systemctl", "restart", "dovecot"))[0];
    },
    prove_old => sub {
        wait_until(20, \&dovecot_runs) or die "Dovecot does not run\n";
        socket_answers() if $order{"dovecot.had_socket"};
    },
};

sub dovecot_runs { return running("dovecot", "/run/dovecot/master.pid") }

sub refused_by_dovecot {
    my ($place, $in_place) = @_;
    my $dropin = $order{"dovecot.dropin"};
    my ($status, $said) = run("doveconf", ($in_place ? () : ("-c", dovecot_of_copies($place))), "-n");
    return $said if $status;
    my $socket = $order{"dovecot.socket"};
    my ($block) = $said =~ /unix_listener \Q$socket\E \{\n(.*?)\}/s;
    return unless length $order{"dovecot.listener"};
    my $path = path_of($dropin);
    my $effective = "its effective configuration (doveconf -n)";
    return "$effective has no listener $socket: dovecot.conf does not include $path" unless defined $block;
    # Settings at their default are left out.
    my %set = (mode => "0600", user => "", group => "", $block =~ /(\w+) = *(\S*)/g);
    my $found = join " ", $set{mode} =~ s/^0+//r, @set{qw(user group)};
    return if $found eq $order{"dovecot.listener"};
    return "something that it reads after $path overrules it: $effective has the listener $socket with $found "
        . "and not $order{'dovecot.listener'}; it must not be set elsewhere";
}

# A file that includes the live configuration and then the new file. Dovecot 2.4 wants its version first.
sub dovecot_of_copies {
    my ($place) = @_;
    my $main = $order{"dovecot.directory"} . "/dovecot.conf";
    my ($version) = (content_of($main) || "") =~ /^(dovecot_config_version.*\n)/m;
    my $copy = "$place/" . $order{"dovecot.dropin"};
    my $text = (defined $version ? $version : "") . "!include $main\n" . (-e $copy ? "!include $copy\n" : "");
    write_file("$place/dovecot.conf", $text);
    return "$place/dovecot.conf";
}

sub prove_dovecot {
    my ($socket, $wanted) = @order{qw(dovecot.socket dovecot.listener)};
    return prove_without_listener() unless length $wanted;
    # Stop waiting if Dovecot has died.
    wait_until(20, sub { socket_is_right() || !dovecot_runs() });
    die "the socket $socket is not there with $wanted: " . socket_now() . "\n" unless socket_is_right();
    socket_answers();
}

# Dovecot takes the listener away, unless the owner has one at the same place. After a power failure, a socket may stay
# on which nobody listens.
sub prove_without_listener {
    my $socket = $order{"dovecot.socket"};
    my $stays = (run("doveconf", "-n"))[1] =~ /unix_listener \Q$socket\E /;
    my $is_gone = sub { !IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket) };
    wait_until(20, sub { $stays || $is_gone->() || !dovecot_runs() });
    dovecot_runs() or die "Dovecot does not run\n";
    die "Dovecot still listens at $socket: it did not take the reload\n" unless $stays || $is_gone->();
}

sub socket_is_right { return socket_now() eq $order{"dovecot.listener"} }

sub socket_now {
    my @stat = stat $order{"dovecot.socket"} or return "$!";
    my ($user, $group) = (scalar getpwuid $stat[4], scalar getgrgid $stat[5]);
    return sprintf "%o %s %s", $stat[2] & 07777, $user || $stat[4], $group || $stat[5];
}

sub socket_answers { prove_by("socket", $order{"dovecot.socket"}) }

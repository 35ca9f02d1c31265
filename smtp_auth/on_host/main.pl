# What this program is run for: `rehearse` before a change, `change`, or `put-back` after a change was killed.
my ($what, @how) = @ARGV;
# What is answered has left this process before it goes on.
$| = 1;
# A lost connection must not stop a change halfway.
$SIG{HUP} = $SIG{PIPE} = "IGNORE";
read_orders(\*DATA);
defined $order{complete} or die "the orders arrived incomplete\n";
$order{began_at} = POSIX::strftime("%Y-%m-%dT%H:%M:%SZ", gmtime);
if ($what eq "rehearse") { rehearse(@how) }
elsif ($what eq "change") { change() }
elsif ($what eq "put-back") { put_back() }
exit 0;

# The deploy hook's part of a change: no daemon has to be reloaded, and the proof is that certbot can run it.
# Its orders: hook.file, the key of the hook, if it changes and certbot shall run it; and hook.shell, the words of the
# shell that reads it, repeated; none if it is no shell script.
$part{"certbot's deploy hook"} = {
    refused => sub {
        my ($place) = @_;
        my @shell = all("hook.shell");
        my $key = $order{"hook.file"};
        return unless @shell;
        put_new($key, "$place/hook.sh");
        my ($status, $said) = run(@shell, "-n", "$place/hook.sh");
        return $status ? $said : ();
    },
    prove => sub {
        my $key = $order{"hook.file"};
        die path_of($key) . " cannot be run\n" if defined $key && !-x path_of($key);
    },
};

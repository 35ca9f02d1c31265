# Where /etc is a repository of etckeeper(8): what others have edited gets a commit of its own before a change, and the
# change gets one that says what it was. None of it can fail a change, or hold it up for long: a commit may push to
# a server that does not answer.

# Seconds for a commit of what others have edited. It has to be made before the files change.
use constant PATIENCE => 20;

sub commit_of_others {
    return unless is_kept_by_etckeeper() && (run("etckeeper", "unclean"))[0] == 0;
    silently("timeout", "-k", 2, PATIENCE, "etckeeper", "commit", "Edits of others, before a change by smtp-auth");
}

# By a unit of its own, which nobody waits for.
sub commit_of_ours {
    return unless is_kept_by_etckeeper();
    my $message = "smtp-auth: $order{about} (change $order{id} by $order{controller})";
    my @unit = ("systemd-run", "--quiet", "--collect", "--no-block", "-p", "RuntimeMaxSec=300");
    silently(@unit, "--description=Commit of change $order{id}", "etckeeper", "commit", $message);
}

sub is_kept_by_etckeeper {
    my $etc = $order{etc} or return 0;
    return (grep { -e "$etc/$_" } qw(.git .hg .bzr _darcs)) && grep { -x "$_/etckeeper" } split /:/, $ENV{PATH};
}

# Whatever the command leaves behind holds no handle of this process.
sub silently {
    my @command = @_;
    my $pid = fork // return;
    if (!$pid) {
        open STDIN, "<", "/dev/null";
        open STDOUT, ">", "/dev/null";
        open STDERR, ">", "/dev/null";
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    waitpid $pid, 0;
}

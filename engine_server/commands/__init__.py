"""The subcommands of `panoloom`, a file each; none of them imports torch."""

// SPDX-License-Identifier: GPL-2.0
/* The vellum command: which sub-command, and help. vellum.1 says the same. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "say.h"

static const char help[] =
	"usage: vellum migrate [OPTION]...   move a guest that keeps writing to a second VM\n"
	"       vellum watch [OPTION]...     show what a guest writes, round by round\n"
	"       vellum run IMAGE [OPTION]... run a flat guest image\n"
	"       vellum info                  show what the device offers\n"
	"       vellum --help\n"
	"\n"
	"migrate runs a demo guest and copies what its dirty rings report into a second\n"
	"VM, until little is left; then it pauses the guest, copies the rest, compares all\n"
	"memory, and lets the guest carry on and check itself in the second VM.\n"
	"  --mem MIB          memory of the guest (64)\n"
	"  --vcpus N          vCPUs, each with pages of its own (1)\n"
	"  --ring ENTRIES     entries of each vCPU's ring, a power of two (65536)\n"
	"  --threshold PAGES  pause when a round copied no more (twice the hot ones)\n"
	"  --rounds N         or after so many rounds (30)\n"
	"  --backup           at the same time, an incremental backup by a tracker\n"
	"  --hot PAGES        pages of a vCPU that get most of its writes (128)\n"
	"  --sweep N          every Nth write goes to all pages in turn, a power of two (128)\n"
	"  --seed N           of the guest's random numbers (1)\n"
	"\n"
	"watch runs the same guest and prints how many pages it wrote, and where.\n"
	"  --bitmap           ask the dirty bitmap, not the ring\n"
	"  --stats            print the statistics of VM and vCPU at the end\n"
	"  --rounds N         so many times (10)\n"
	"  --interval MS      so far apart (100)\n"
	"  --mem MIB, --hot PAGES, --seed N   as above\n"
	"\n"
	"run starts IMAGE in 32-bit protected mode without paging. What the guest writes to\n"
	"port 0xe9 or 0x3f8 goes to standard output; HLT ends it.\n"
	"  --mem MIB          memory of the guest (16)\n"
	"  --at ADDRESS       where the image is put and started (0x1000)\n"
	"\n"
	"VELLUM_DEV names the device (/dev/vellum). Exit status: 0 good, 1 failed or not\n"
	"identical, 2 wrong usage.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "migrate", cmd_migrate },
	{ "watch", cmd_watch },
	{ "run", cmd_run },
	{ "info", cmd_info },
};

static int wants_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (wants_help(argc, argv)) {
		fputs(help, stdout);
		return EXIT_GOOD;
	}
	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (argc > 1)
		say("there is no command %s: see vellum --help", argv[1]);
	else
		fputs(help, stderr);
	return EXIT_USAGE;
}

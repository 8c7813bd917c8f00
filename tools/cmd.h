/* SPDX-License-Identifier: GPL-2.0 */
/* The sub-commands of vellum: each returns the exit status. */
#ifndef TOOLS_CMD_H
#define TOOLS_CMD_H

#include <stdint.h>

int cmd_migrate(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_info(int argc, char **argv);

/* Exit status. */
#define EXIT_GOOD  0
#define EXIT_BAD   1 /* it did not work, or not identical */
#define EXIT_USAGE 2

/*
 * Options: "--name VALUE" or "--name=VALUE" with a number in the given range,
 * or "--name" alone where flag is true.
 */
struct option_spec {
	const char *name; /* without the dashes; NULL ends the list */
	uint64_t *value;
	uint64_t min, max;
	int flag;
};

/*
 * Returns how many arguments are not options (they come first in argv then), or
 * -1 after it has said what is wrong. argv[0] is the sub-command's name.
 */
int options_parse(int argc, char **argv, const struct option_spec *specs);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An incremental backup of the demo guest's memory, by a tracker of its own: it
 * hears of every write, whoever else harvests the same VM.
 */
#ifndef TOOLS_BACKUP_H
#define TOOLS_BACKUP_H

#include "demo.h"

struct backup {
	int fd;		 /* the tracker's; 0: there is none */
	char *copy;	 /* of the guest's memory */
	uint64_t *dirty; /* bitmap of what was taken */
	uint64_t pages;	 /* copied after the first time */
	unsigned int rounds;
};

/* All memory, once logging is on. Any of these returns 0, or -1 after it said why. */
int backup_begin(struct backup *backup, struct demo *demo);
/* What was written since. */
int backup_round(struct backup *backup, struct demo *demo);
/* The guest stands still, and the last round is over: is the copy its memory? Prints it. */
int backup_verdict(const struct backup *backup, const struct demo *demo);
void backup_end(struct backup *backup, struct demo *demo);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak: two vCPUs write while everybody who may harvest harvests, logging goes
 * off and on, and the host makes memory scarce and moves it about. In the end the
 * memory must be what each harvester believes.
 */
#ifndef SELFTESTS_SOAK_SOAK_H
#define SELFTESTS_SOAK_SOAK_H

#include "../device/vm.h"

#define PAGES		2048
#define BYTES		(PAGES * PAGE_SIZE)
#define BITMAP_WORDS	(PAGES / 64)
#define RING_ENTRIES	4096
#define VCPUS		2

struct soak;

/* One way of learning what is dirty, and the copy that it keeps. */
struct follower {
	const char *name;
	/* Fills bitmap with what was written since the last time. 0 or -errno. */
	int (*look)(struct follower *follower);
	struct soak *soak;
	pthread_t thread;
	struct rng rng;
	uint64_t bitmap[BITMAP_WORDS];
	char *copy;
	/* over all rounds */
	uint64_t harvests, reported, lost;
	int error;	/* the first that should not have been */
};

enum { BY_RING, BY_BITMAP, BY_TRACKER, FOLLOWERS };

struct soak {
	struct bench bench;
	struct runner runner[VCPUS];
	struct follower follower[FOLLOWERS];
	int tracker;			/* the descriptor of this round's */
	struct rng rng;
	uint64_t manual;		/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2's argument */
	/* Read: harvesting. Written: logging goes off and on, and all is copied anew. */
	pthread_rwlock_t logging;
	volatile bool over;		/* the threads of this round are to end */
	uint64_t toggles, pressed;
	int error;
};

/* The followers of a soak, without memory yet. */
void follow_init(struct soak *soak);
/* All of memory, as it is now. */
void follow_copy_all(struct follower *follower);
/* Look, and copy what was reported. The VM's logging is on. */
void follow_once(struct follower *follower);
/* How many pages the copy has wrong; the vCPUs have stopped and follow_once() was last. */
unsigned int follow_compare(struct follower *follower);

/* Does one thing, by chance, that the host may do to memory at any time. */
void press(struct soak *soak, struct rng *rng);

#endif

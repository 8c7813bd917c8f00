/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of memory's own life share: two vCPUs write a counter to random
 * pages while the host does something to the memory under them and harvests, and
 * afterwards what must be in memory is known to the word.
 */
#ifndef SELFTESTS_DEVICE_LIFE_H
#define SELFTESTS_DEVICE_LIFE_H

#include "vm.h"

#define LIFE_PAGES	128			/* of guest memory, where nothing else is said */
#define LIFE_PAGES_MAX	512			/* one huge page */
#define LIFE_VCPUS	2
#define LIFE_LAPS	3

struct life_config {
	uint64_t pages;		/* a power of two; 0: LIFE_PAGES */
	bool ring;		/* follow the rings; else the bitmap */
	bool memfd;		/* shared memory of a file; else anonymous */
	uint32_t flags;		/* KVM_MEM_* besides logging */
};

/* One vCPU's writes: the generator's state and, for each page, the last value. */
struct life_writer {
	struct runner runner;
	uint32_t seed, value;
	uint32_t last[LIFE_PAGES_MAX];
};

struct life {
	struct bench bench;
	struct rng rng;
	struct life_writer writer[LIFE_VCPUS];
	unsigned int vcpus;
	uint64_t pages;
	size_t bytes;
	bool ring;
	int fd;			/* of the file, or -1 */
	char *host;		/* guest memory, aligned to 2 MiB, 4K pages to begin with */
	char *copy;		/* the harvester's: each page as it was when last reported */
	uint64_t reported;
	int error;		/* the first of a harvest */
	char reason[120];	/* what life_check() found */
};

int life_open(struct life *life, const struct life_config *config);
void life_close(struct life *life);

/* Maps the memory once more over what is there now. */
int life_map(struct life *life);

/* The writers begin, or go on. */
int life_start(struct life *life);
/* After KVM_RUN has failed: the same instruction again. */
int life_resume(struct life *life);
/* Ends the writers, harvests what is left, and follows what they did. 0 or what KVM_RUN said. */
int life_stop(struct life *life);
/* Waits for both to end with this error, which is then their result. */
bool life_failed(struct life *life, int error);

/* Reports are taken, and the pages copied. */
void life_harvest(struct life *life);
/* The writers run on for about so long, with harvests. */
void life_wait(struct life *life, unsigned int us);
/* The host has changed the memory itself: the copy begins anew. */
void life_copy_all(struct life *life);

/*
 * The writers stand still. NULL, or what is wrong: a write that no harvest told
 * of, a word that is not the last one written, a guest that sees something else
 * than the host. Where the host @discarded memory zero is right, too.
 */
const char *life_check(struct life *life, bool discarded);

/* start, what the caller does, stop and check in one: asserts inside a test. */
#define LIFE_START(life)	ASSERT_EQ(0, life_start(life))
#define LIFE_STOP(life, discarded, lap) do {						\
	const char *wrong;								\
											\
	ASSERT_EQ(0, life_stop(life));							\
	wrong = life_check(life, discarded);						\
	ASSERT_EQ(NULL, wrong) TH_LOG("lap %d: %s", (int)(lap), wrong);			\
} while (0)

/* How many pages of [host, host + bytes) are in swap space, or present; -1: not to be known. */
long life_swapped(const void *host, size_t bytes);
long life_present(const void *host, size_t bytes);
bool life_have_swap(void);
/* In a test's body. */
#define NEED_SWAP() do {							\
	if (!life_have_swap())							\
		SKIP(return, "no swap space: testbed/machine --swap gives some"); \
} while (0)

/* Writes text to a file of /proc or /sys; reads a number from one (-1: it cannot). */
int life_tell(const char *path, const char *text);
long life_ask(const char *path);

/* A descriptor that holds the pages pinned, as by somebody's DMA, or negative. */
int life_pin(void *host, size_t bytes);

/* A memory cgroup for the test to enter (cgroup.procs); false: this kernel has none. */
#define LIFE_GROUP	"/tmp/cgroup/guest"
bool life_group_make(void);
/*
 * The process enters it with this memory, whose content is lost. A VM that was made
 * before is none of the group's: reclaim there ages its pages and leaves its tables.
 */
int life_group_enter_with(void *host, size_t bytes);
void life_group_leave(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* One migration of the demo guest from a VM to another: state and its rounds. */
#ifndef TOOLS_MIGRATE_H
#define TOOLS_MIGRATE_H

#include "backup.h"
#include "demo.h"
#include "lib/stats.h"

enum round_stat {
	STAT_EXITS,
	STAT_INTR,
	STAT_EPT,
	STAT_PML,
	STAT_IO,
	ROUND_STATS,
};

#define NOT_OFFERED UINT64_MAX

struct round {
	unsigned int number;
	uint64_t reported;  /* ring entries */
	uint64_t copied;    /* distinct pages */
	uint64_t ring_max;  /* most entries found in one vCPU's ring */
	uint64_t ring_full; /* times a vCPU had to wait for room */
	uint64_t ticks;
	uint64_t stats[ROUND_STATS];
};

struct migration {
	struct demo from, to;
	bool backs_up;
	struct backup backup; /* of the first VM, while it is moved */
	struct stats stats[DEMO_VCPUS];
	uint64_t *dirty; /* bitmap: pages to copy in this round */
	uint64_t stats_before[ROUND_STATS];
	uint64_t full_before;
	uint64_t started; /* ticks */
};

int migration_init(struct migration *m);
void migration_free(struct migration *m);

/* A round: begin, all pages or a harvest, copy, end. -1 after saying why. */
void round_begin(struct migration *m, struct round *round);
void round_take_all(struct migration *m);
int round_harvest(struct migration *m, struct round *round);
void round_copy(struct migration *m, struct round *round);
void round_end(struct migration *m, struct round *round);

/* Number of pages in which the two memories differ. */
uint64_t migration_compare(const struct migration *m);

void table_head(void);
void table_round(const struct round *round);
void table_returns(const struct demo *demo);
/* How long the vCPUs were kept from running, by cause; nothing where that is not counted. */
void table_stalls(struct migration *m);

#endif

// SPDX-License-Identifier: GPL-2.0
/* What a migration prints: one line a round, and how KVM_RUN returned. */
#include <stdio.h>

#include "migrate.h"

void table_head(void)
{
	printf("\n%5s %8s %8s | %8s %8s %8s %8s %8s %8s | %8s %5s | %8s\n", "", "pages", "pages",
	       "exits", "of these", "EPT", "PML", "", "", "ring", "ring", "ticks");
	printf("%5s %8s %8s | %8s %8s %8s %8s %8s %8s | %8s %5s | %8s\n", "round", "reported",
	       "copied", "in all", "interr.", "viol.", "full", "I/O", "other", "max", "full",
	       "a page");
	fflush(stdout);
}

static void number(uint64_t value)
{
	if (value == NOT_OFFERED)
		printf(" %8s", "-");
	else
		printf(" %8llu", (unsigned long long)value);
}

static uint64_t other_exits(const uint64_t *stats)
{
	uint64_t other = stats[STAT_EXITS];
	unsigned int i;

	for (i = STAT_INTR; i < ROUND_STATS; i++) {
		/* Counts are read one after another while the guest runs. */
		if (stats[i] == NOT_OFFERED || stats[i] > other)
			return stats[i] == NOT_OFFERED ? NOT_OFFERED : 0;
		other -= stats[i];
	}
	return other;
}

void table_round(const struct round *round)
{
	unsigned int i;

	printf("%5u %8llu %8llu |", round->number, (unsigned long long)round->reported,
	       (unsigned long long)round->copied);
	for (i = 0; i < ROUND_STATS; i++)
		number(round->stats[i]);
	number(other_exits(round->stats));
	printf(" | %8llu %5llu | %8llu\n", (unsigned long long)round->ring_max,
	       (unsigned long long)round->ring_full,
	       (unsigned long long)(round->copied ? round->ticks / round->copied : 0));
	fflush(stdout);
}

void table_returns(const struct demo *demo)
{
	uint64_t io = 0, full = 0, interrupted = 0;
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++) {
		io += demo->worker[i].returns[KVM_EXIT_IO];
		full += demo->worker[i].returns[KVM_EXIT_DIRTY_RING_FULL];
		interrupted += demo->worker[i].interrupted;
	}
	printf("\nKVM_RUN returned %llu times for I/O, %llu times for a full ring, "
	       "and was interrupted %llu times.\n",
	       (unsigned long long)io, (unsigned long long)full, (unsigned long long)interrupted);
}

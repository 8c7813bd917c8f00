// SPDX-License-Identifier: GPL-2.0
/* What a migration prints: one line a round, and how KVM_RUN returned. */
#include <stdio.h>
#include <string.h>

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

/* Statistic @i of the vCPUs, if it is one of the stalls: how long, in ns. */
static uint64_t stall(struct migration *m, unsigned int i)
{
	const char *name = stats_name(&m->stats[0], i);
	uint64_t value, sum = 0;
	unsigned int vcpu;

	if (strncmp(name, "stall_", 6))
		return 0;
	for (vcpu = 0; vcpu < m->from.vcpus; vcpu++)
		if (!stats_read(&m->stats[vcpu], name, &value))
			sum += value;
	return sum;
}

void table_stalls(struct migration *m)
{
	uint64_t all = 0, ns;
	const char *name;
	unsigned int i;

	for (i = 0; stats_name(&m->stats[0], i); i++)
		all += stall(m, i);
	if (!all)
		return;
	printf("Its vCPUs were kept from running for %.2f ms in all:", all / 1e6);
	for (i = 0; (name = stats_name(&m->stats[0], i)); i++) {
		ns = stall(m, i);
		/* stall_..._ns */
		if (ns)
			printf(" %.*s %.2f", (int)strlen(name) - 9, name + 6, ns / 1e6);
	}
	printf("\n");
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

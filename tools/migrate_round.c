// SPDX-License-Identifier: GPL-2.0
/* A round of a migration: harvest the rings, protect again, copy what was reported. */
#include <stdlib.h>
#include <string.h>

#include "lib/page.h"
#include "migrate.h"
#include "say.h"

/* What the statistics are called: here, and by Linux KVM where it has the like. */
static const char *const stat_names[ROUND_STATS][2] = {
	[STAT_EXITS] = { "exits", "exits" },
	[STAT_INTR] = { "exits_intr", "irq_exits" },
	[STAT_EPT] = { "exits_ept_violation", "pf_taken" },
	[STAT_PML] = { "exits_pml_full", "exits_pml_full" },
	[STAT_IO] = { "exits_io", "io_exits" },
};

int migration_init(struct migration *m)
{
	unsigned int i;

	/* Statistics are optional: the table shows a dash where there are none. */
	for (i = 0; i < m->from.vcpus; i++)
		stats_open(&m->stats[i], m->from.vcpu[i].fd);
	m->dirty = calloc(mem_bitmap_bytes(&m->from.mem), 1);
	return m->dirty ? 0 : say("there is no memory for a bitmap: give a smaller --mem");
}

void migration_free(struct migration *m)
{
	unsigned int i;

	for (i = 0; i < m->from.vcpus; i++)
		stats_close(&m->stats[i]);
	free(m->dirty);
	m->dirty = NULL;
}

static uint64_t read_stat(struct migration *m, enum round_stat stat)
{
	uint64_t value, sum = 0;
	unsigned int i;

	for (i = 0; i < m->from.vcpus; i++) {
		if (stats_read(&m->stats[i], stat_names[stat][0], &value) &&
		    stats_read(&m->stats[i], stat_names[stat][1], &value))
			return NOT_OFFERED;
		sum += value;
	}
	return sum;
}

static uint64_t ring_full_count(const struct demo *demo)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		sum += demo->worker[i].returns[KVM_EXIT_DIRTY_RING_FULL];
	return sum;
}

void round_begin(struct migration *m, struct round *round)
{
	unsigned int i;

	*round = (struct round){ .number = round->number + 1 };
	memset(m->dirty, 0, mem_bitmap_bytes(&m->from.mem));
	/* What stood between the rounds belongs to the next one, the first excepted. */
	if (round->number == 1) {
		for (i = 0; i < ROUND_STATS; i++)
			m->stats_before[i] = read_stat(m, i);
		m->full_before = ring_full_count(&m->from);
	}
	m->started = ticks();
}

void round_take_all(struct migration *m)
{
	uint64_t page;

	for (page = 0; page < demo_pages(&m->from); page++)
		m->dirty[page / 64] |= 1ULL << page % 64;
}

static int harvest_vcpu(struct migration *m, unsigned int i, uint64_t *taken)
{
	struct vcpu *vcpu = &m->from.vcpu[i];
	struct kvm_dirty_gfn entry;

	for (*taken = 0; *taken < vcpu->ring_entries && ring_next(vcpu, &entry); ++*taken) {
		if (entry.slot != m->from.mem.id || entry.offset >= demo_pages(&m->from))
			return say("the ring of vCPU %u names page %#llx of slot %u, which does "
				   "not exist: that is a bug, see dmesg",
				   i, (unsigned long long)entry.offset, entry.slot);
		m->dirty[entry.offset / 64] |= 1ULL << entry.offset % 64;
	}
	return 0;
}

int round_harvest(struct migration *m, struct round *round)
{
	uint64_t taken;
	unsigned int i;
	int reset;

	for (i = 0; i < m->from.vcpus; i++) {
		if (harvest_vcpu(m, i, &taken))
			return -1;
		round->reported += taken;
		if (taken > round->ring_max)
			round->ring_max = taken;
	}
	/* Only after this are the pages protected again, and may be copied. */
	reset = vm_reset_rings(&m->from.vm);
	if (reset < 0)
		return say_errno(reset, "the rings cannot be reset: that is a bug, see dmesg");
	if ((uint64_t)reset != round->reported)
		return say("%llu entries were harvested, %d reset: that is a bug, see dmesg",
			   (unsigned long long)round->reported, reset);
	for (i = 0; i < m->from.vcpus; i++)
		worker_ring_has_room(&m->from.worker[i]);
	return 0;
}

static void *page_at(const struct demo *demo, uint64_t page)
{
	return (char *)demo->mem.host + page * PAGE_SIZE;
}

void round_copy(struct migration *m, struct round *round)
{
	uint64_t word, page, words = mem_bitmap_bytes(&m->from.mem) / 8;
	uint64_t i;

	for (i = 0; i < words; i++) {
		for (word = m->dirty[i]; word; word &= word - 1) {
			page = i * 64 + __builtin_ctzll(word);
			page_copy(page_at(&m->to, page), page_at(&m->from, page));
			round->copied++;
		}
	}
}

void round_end(struct migration *m, struct round *round)
{
	uint64_t now;
	unsigned int i;

	round->ticks = ticks() - m->started;
	for (i = 0; i < ROUND_STATS; i++) {
		now = read_stat(m, i);
		round->stats[i] = now == NOT_OFFERED ? now : now - m->stats_before[i];
		m->stats_before[i] = now;
	}
	now = ring_full_count(&m->from);
	round->ring_full = now - m->full_before;
	m->full_before = now;
}

uint64_t migration_compare(const struct migration *m)
{
	uint64_t page, different = 0;

	for (page = 0; page < demo_pages(&m->from); page++)
		different += !page_same(page_at(&m->from, page), page_at(&m->to, page));
	return different;
}

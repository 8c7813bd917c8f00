// SPDX-License-Identifier: GPL-2.0
/*
 * The shrinker: the kernel asks here for memory, and the VMs' tables are what
 * there is to give.  A table costs a guest up to 512 faults to have again, so
 * they are said to be dear.
 *
 * Not aware of memory cgroups: one that is at its limit takes no tables, a host
 * that is short of memory takes everybody's in turn.
 */
#include <linux/mutex.h>

#include "compat.h"
#include "mmu/host_shrinker.h"

/* Dearer than what is read in again by one seek; at the highest pressure all go at once. */
#define TABLE_SEEKS (DEFAULT_SEEKS * 2)

/* Nothing is allocated under it.  Taken before host.srcu; the VM taken from last is last. */
static DEFINE_MUTEX(shrink_lock);
static LIST_HEAD(shrinkables);
static struct shrinker *tables;

void shrinker_add(struct shrinkable *shrinkable, struct host *host)
{
	shrinkable->host = host;
	mutex_lock(&shrink_lock);
	list_add_tail(&shrinkable->list, &shrinkables);
	mutex_unlock(&shrink_lock);
}

void shrinker_remove(struct shrinkable *shrinkable)
{
	mutex_lock(&shrink_lock);
	list_del(&shrinkable->list);
	mutex_unlock(&shrink_lock);
}

static unsigned long nr_tables(const struct shrinkable *shrinkable)
{
	return max(atomic_long_read(&shrinkable->host->mmu->nr_tables), 0L);
}

static unsigned long count_tables(struct shrinker *shrinker, struct shrink_control *control)
{
	struct shrinkable *shrinkable;
	unsigned long n = 0;

	/* Whoever holds it takes tables at this moment, or comes and goes in a few instructions. */
	if (!mutex_trylock(&shrink_lock))
		return 0;
	list_for_each_entry(shrinkable, &shrinkables, list)
		n += nr_tables(shrinkable);
	mutex_unlock(&shrink_lock);
	return n ?: SHRINK_EMPTY;
}

/* Each VM at most once in a call; one that still has some is taken from again later. */
static unsigned long scan_tables(struct shrinker *shrinker, struct shrink_control *control)
{
	struct shrinkable *shrinkable, *next;
	unsigned long scanned = 0, freed = 0;
	LIST_HEAD(done);

	if (!mutex_trylock(&shrink_lock))
		return SHRINK_STOP;
	list_for_each_entry_safe(shrinkable, next, &shrinkables, list) {
		unsigned long before = nr_tables(shrinkable), after;

		if (scanned >= control->nr_to_scan)
			break;
		scanned += host_shrink(shrinkable->host, control->nr_to_scan - scanned);
		after = nr_tables(shrinkable);
		/* A guest that runs may have made more meanwhile. */
		freed += before - min(before, after);
		list_move_tail(&shrinkable->list, &done);
	}
	list_splice_tail(&done, &shrinkables);
	mutex_unlock(&shrink_lock);
	control->nr_scanned = scanned;
	return freed || scanned ? freed : SHRINK_STOP;
}

int shrinker_init(void)
{
	const char *name = "vellum-tables";
	int ret;

	tables = compat_shrinker_new(name);
	if (!tables)
		return -ENOMEM;
	tables->count_objects = count_tables;
	tables->scan_objects = scan_tables;
	tables->seeks = TABLE_SEEKS;
	ret = compat_shrinker_register(tables, name);
	if (ret)
		shrinker_exit();
	return ret;
}

void shrinker_exit(void)
{
	compat_shrinker_free(tables);
}

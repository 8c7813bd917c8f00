// SPDX-License-Identifier: GPL-2.0
/*
 * The shrinker: the kernel asks here for memory, and the VMs' tables are what
 * there is to give.  A table costs a guest up to 512 faults to have again, so
 * they are said to be dear.
 *
 * The kernel knows which memory cgroup has something to give by a list_lru with an
 * object of each VM, charged to the cgroup of whoever made the VM: a cgroup at its
 * limit takes tables of its own VMs only, a host that is short of memory takes
 * everybody's.
 */
#include <linux/mutex.h>

#include "compat.h"
#include "mmu/host_shrinker.h"

/* Dearer than what is read in again by one seek; at the highest pressure all go at once. */
#define TABLE_SEEKS (DEFAULT_SEEKS * 2)

struct shrinkable {
	struct list_head lru;
	struct host *host;
};

/* A VM stays while it is held.  Nothing is allocated under it.  Taken before host.srcu. */
static DEFINE_MUTEX(shrink_lock);
static struct kmem_cache *cache;
static struct list_lru vms; /* the VM taken from last is last */
static struct shrinker *tables;

struct shrinkable *shrinker_add(struct host *host)
{
	/* The list has a head for the cgroup before the object is charged to it. */
	struct shrinkable *vm = kmem_cache_alloc_lru(cache, &vms, GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	INIT_LIST_HEAD(&vm->lru);
	vm->host = host;
	compat_list_lru_add(&vms, &vm->lru);
	return vm;
}

void shrinker_remove(struct shrinkable *vm)
{
	mutex_lock(&shrink_lock);
	compat_list_lru_del(&vms, &vm->lru);
	mutex_unlock(&shrink_lock);
	kmem_cache_free(cache, vm);
}

static unsigned long nr_tables(const struct shrinkable *vm)
{
	return max(atomic_long_read(&vm->host->mmu->nr_tables), 0L);
}

/* Under the list's lock, so the VM is there. */
static enum lru_status add_tables(struct list_head *item, struct list_lru_one *list,
				  spinlock_t *lock, void *sum)
{
	*(unsigned long *)sum += nr_tables(container_of(item, struct shrinkable, lru));
	return LRU_SKIP;
}

/*
 * SHRINK_EMPTY takes the cgroup off the kernel's list of those that have something,
 * and only a new VM brings it back: for VMs that have no tables now it is 0.
 */
static unsigned long count_tables(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long all = ULONG_MAX, n = 0;

	if (!list_lru_shrink_count(&vms, control))
		return SHRINK_EMPTY;
	list_lru_walk_one(&vms, control->nid, control->memcg, add_tables, &n, &all);
	return n;
}

static enum lru_status take_first(struct list_head *item, struct list_lru_one *list,
				  spinlock_t *lock, void *first)
{
	*(struct shrinkable **)first = container_of(item, struct shrinkable, lru);
	return LRU_ROTATE;
}

/* The VM whose turn it is, which goes to the end; NULL if there is none.  Under shrink_lock. */
static struct shrinkable *next_vm(const struct shrink_control *control)
{
	struct shrinkable *first = NULL;
	unsigned long one = 1;

	list_lru_walk_one(&vms, control->nid, control->memcg, take_first, &first, &one);
	return first;
}

/* Each VM at most once in a call; one that still has some is taken from again later. */
static unsigned long scan_tables(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long turns, scanned = 0, freed = 0;
	struct shrinkable *vm;

	/* Whoever holds it takes tables at this moment, or a VM goes. */
	if (!mutex_trylock(&shrink_lock))
		return SHRINK_STOP;
	turns = list_lru_shrink_count(&vms, control);
	for (; turns && scanned < control->nr_to_scan; turns--) {
		unsigned long before, after;

		vm = next_vm(control);
		if (!vm)
			break;
		before = nr_tables(vm);
		scanned += host_shrink(vm->host, control->nr_to_scan - scanned);
		after = nr_tables(vm);
		/* A guest that runs may have made more meanwhile. */
		freed += before - min(before, after);
	}
	mutex_unlock(&shrink_lock);
	control->nr_scanned = scanned;
	return freed || scanned ? freed : SHRINK_STOP;
}

/* The list is made for a shrinker that is registered: until it is there, nothing is counted. */
static unsigned long count_nothing(struct shrinker *shrinker, struct shrink_control *control)
{
	return 0;
}

int shrinker_init(void)
{
	const char *name = "vellum-tables";
	int ret = -ENOMEM;

	cache = kmem_cache_create("vellum_shrinkable", sizeof(struct shrinkable), 0, SLAB_ACCOUNT,
				  NULL);
	tables = compat_shrinker_new(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE, name);
	if (!cache || !tables)
		goto fail;
	tables->count_objects = count_nothing;
	tables->scan_objects = scan_tables;
	tables->seeks = TABLE_SEEKS;
	ret = compat_shrinker_register(tables, name);
	if (ret)
		goto fail;
	ret = list_lru_init_memcg(&vms, tables);
	if (ret)
		goto fail;
	/* The list is whole before; loads on x86 are in order, so the kernel's look is enough. */
	smp_store_release(&tables->count_objects, count_tables);
	return 0;

fail:
	shrinker_exit();
	return ret;
}

void shrinker_exit(void)
{
	compat_shrinker_free(tables);
	list_lru_destroy(&vms);
	kmem_cache_destroy(cache);
}

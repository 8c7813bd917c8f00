/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pure files of mmu/ need from the world around them, and the only
 * place they get it from.  This one is the kernel's; selftests/unit/env.h
 * takes its place in userspace, so that the very same files run under
 * sanitizers, a fuzzer and a property test.
 *
 * The names are the kernel's own.  Only what differs in kind has a name here:
 * page tables as memory, and what a guest's write means to the host's page.
 */
#ifndef VELLUM_ENV_H
#define VELLUM_ENV_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

/*
 * A page for an EPT table; may sleep.  Charged to the VM's owner, and shown as
 * SecPageTables in /proc/meminfo and in its cgroup's statistics.
 */
static inline void *env_table_get(gfp_t gfp)
{
	void *table = (void *)__get_free_page(gfp);

	if (table)
		mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, 1);
	return table;
}

/* A zeroed one. */
static inline void *env_table_alloc(void)
{
	return env_table_get(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

/* One that is about to be filled. */
static inline void *env_table_alloc_raw(void)
{
	return env_table_get(GFP_KERNEL_ACCOUNT);
}

static inline void env_table_free(void *table)
{
	set_page_private(virt_to_page(table), 0);
	mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, -1);
	free_page((unsigned long)table);
}

static inline u64 env_table_pa(const void *table)
{
	return __pa(table);
}

static inline void *env_table_va(u64 pa)
{
	return __va(pa);
}

/*
 * A table may have another page of memory beside it, once and until it is freed:
 * false where it has one already.  Any context.
 */
static inline bool env_table_attach(void *table, void *beside)
{
	return !cmpxchg(&virt_to_page(table)->private, 0, (unsigned long)beside);
}

static inline void *env_table_attached(const void *table)
{
	return (void *)READ_ONCE(virt_to_page(table)->private);
}

/* Zeroed memory that can be mapped into userspace page by page; may sleep. */
static inline void *env_shared_alloc(size_t bytes)
{
	return __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

static inline void env_shared_free(void *memory)
{
	vfree(memory);
}

/* The guest wrote to the host's page @hfn.  Any context; the page is still mapped. */
static inline void env_page_dirty(u64 hfn)
{
	struct page *page = pfn_to_page(hfn);

	if (!PageReserved(page))
		SetPageDirty(page);
}

#endif

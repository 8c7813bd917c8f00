// SPDX-License-Identifier: GPL-2.0
/* The kernel of fake_kernel.h: look-ups of the host's pages, its notifier, SRCU, user copies. */
#include <sched.h>

#include "fake_host.h"

static struct mm_struct fake_mm;
struct task_struct fake_task = { .mm = &fake_mm };

/* The page at @index with a reference; look-ups and changes of pages exclude each other. */
static struct page *take_page(unsigned int index)
{
	struct host_pte *pte = &fake_host.pte[index];
	struct host_frame *frame;

	host_lock();
	if (!pte->present)
		host_replace(index);
	frame = host_frame(pte->hfn);
	__atomic_add_fetch(&frame->refs, 1, __ATOMIC_RELAXED);
	host_unlock();
	if (fake_host.after_lookup)
		fake_host.after_lookup();
	return (struct page *)frame;
}

int get_user_pages_fast_only(unsigned long start, int nr, unsigned int flags, struct page **pages)
{
	unsigned int index = host_index(start);
	int n;

	for (n = 0; n < nr; n++) {
		const struct host_pte *pte = &fake_host.pte[index + n];
		bool found;

		host_lock();
		found = index + n < host_area_end(index) && pte->present && !pte->no_mapping &&
			!fake_host.fail_next &&
			(!(flags & FOLL_WRITE) || (pte->writable && pte->may_write));
		host_unlock();
		if (!found)
			break;
		pages[n] = take_page(index + n);
	}
	return n;
}

/* A write to a page that is shared: the copy takes its place. */
static void copy_on_write(unsigned int index)
{
	host_split_huge(index);
	if (fake_host.before_copy)
		fake_host.before_copy(index, true);
	host_replace(index);
	fake_host.pte[index].writable = true;
	if (fake_host.before_copy)
		fake_host.before_copy(index, false);
}

long get_user_pages_unlocked(unsigned long start, unsigned long nr, struct page **pages,
			     unsigned int flags)
{
	unsigned int index = host_index(start);
	struct host_pte *pte = &fake_host.pte[index];
	long fail = fake_host.fail_next;

	might_sleep();
	if (fail) {
		fake_host.fail_next = 0;
		return fail;
	}
	if (pte->no_mapping || ((flags & FOLL_WRITE) && !pte->may_write))
		return -EFAULT;
	if ((flags & FOLL_WRITE) && !pte->writable)
		copy_on_write(index);
	*pages = take_page(index);
	return 1;
}

bool PageCompound(const struct page *page)
{
	return host_is_compound(page_to_pfn(page));
}

int host_mapping_level(struct mm_struct *mm, unsigned long hva)
{
	unsigned int n;

	host_lock();
	host_entry(host_index(hva), &n);
	host_unlock();
	return n == 1 ? 1 : n == HOST_BLOCK ? 2 : 3;
}

u64 page_to_pfn(const struct page *page)
{
	return (const struct host_frame *)page - fake_host.frame + HOST_FIRST_HFN;
}

struct page *pfn_to_page(u64 pfn)
{
	return (struct page *)host_frame(pfn);
}

void put_page(struct page *page)
{
	struct host_frame *frame = (struct host_frame *)page;

	if (__atomic_fetch_sub(&frame->refs, 1, __ATOMIC_RELAXED) <= 0)
		env_die("a host page's reference is given back twice");
}

/* What memory holds is nobody's concern here, only whether it is there. */
unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	might_sleep();
	if (fake_host.pte[host_index((unsigned long)from)].no_mapping)
		return n;
	memset(to, 0, n);
	return 0;
}

long copy_to_user_nofault(void *to, const void *from, unsigned long n)
{
	fake_host.poked = host_index((unsigned long)to);
	fake_host.pokes++;
	return 0;
}

unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	unsigned int index = host_index((unsigned long)to);
	struct host_pte *pte = &fake_host.pte[index];

	might_sleep();
	if (pte->no_mapping || !pte->may_write)
		return n;
	if (!pte->present)
		host_replace(index);
	if (!pte->writable)
		copy_on_write(index);
	return 0;
}

/* Both may fail, and must be undone: an allocation each. */
int mmu_notifier_register(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	if (mm->notifier)
		env_die("a second MMU notifier");
	notifier->registration = env_alloc(1, false);
	if (!notifier->registration)
		return -ENOMEM;
	mm->notifier = notifier;
	return 0;
}

void mmu_notifier_unregister(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	if (mm->notifier != notifier)
		env_die("an MMU notifier that is not registered");
	/* As the kernel does when the process is still there. */
	notifier->ops->release(notifier, mm);
	mm->notifier = NULL;
	env_free(notifier->registration);
}

int init_srcu_struct(struct srcu_struct *srcu)
{
	srcu->readers = 0;
	srcu->memory = env_alloc(1, false);
	return srcu->memory ? 0 : -ENOMEM;
}

void cleanup_srcu_struct(struct srcu_struct *srcu)
{
	if (srcu->readers)
		env_die("SRCU is taken down with a reader inside");
	env_free(srcu->memory);
}

int srcu_read_lock(struct srcu_struct *srcu)
{
	void (*hook)(void) = fake_host.at_srcu;

	if (hook) {
		fake_host.at_srcu = NULL;
		hook();
	}
	__atomic_add_fetch(&srcu->readers, 1, __ATOMIC_SEQ_CST);
	return 0;
}

void srcu_read_unlock(struct srcu_struct *srcu, int idx)
{
	__atomic_sub_fetch(&srcu->readers, 1, __ATOMIC_RELEASE);
}

void synchronize_srcu_expedited(struct srcu_struct *srcu)
{
	might_sleep();
	/* A full barrier, as the kernel's: who reads from here on finds what was published. */
	while (__atomic_fetch_add(&srcu->readers, 0, __ATOMIC_SEQ_CST)) {
		if (!fake_host.threads)
			env_die("a wait for an SRCU reader that waits for this");
		sched_yield();
	}
}

static struct mmu_notifier_range range_of(unsigned int index, unsigned int n)
{
	unsigned long start = host_hva(index);

	return (struct mmu_notifier_range){ start, start + ((unsigned long)n << PAGE_SHIFT) };
}

void host_notify_begin(unsigned int index, unsigned int n)
{
	const struct mmu_notifier_range range = range_of(index, n);

	if (fake_mm.notifier->ops->invalidate_range_start(fake_mm.notifier, &range))
		env_die("invalidate_range_start() refuses");
}

void host_notify_end(unsigned int index, unsigned int n)
{
	const struct mmu_notifier_range range = range_of(index, n);

	fake_mm.notifier->ops->invalidate_range_end(fake_mm.notifier, &range);
}

bool host_notify_young(unsigned int index, unsigned int n, bool clear)
{
	const struct mmu_notifier_ops *ops = fake_mm.notifier->ops;
	bool young = false;

	if (clear)
		return ops->clear_young(fake_mm.notifier, &fake_mm, host_hva(index),
					range_of(index, n).end);
	for (; n; n--, index++)
		young |= ops->test_young(fake_mm.notifier, &fake_mm, host_hva(index));
	return young;
}

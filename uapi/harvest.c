// SPDX-License-Identifier: GPL-2.0
/*
 * Userspace takes what was written: the bitmap's two ioctls and the rings'.
 *
 * The order is the same everywhere: drain, take and re-arm, discharge (flush,
 * acknowledged by every vCPU), and only then tell userspace (invariant 2).
 * What could not be told is put back.
 */
#include <linux/uaccess.h>

#include "mmu/coarse.h"
#include "uapi/uapi.h"
#include "vmx/trace.h"

/* Words that are zeroed at a time. */
#define ZEROES 8192

struct slot *harvest_slot(struct vm *vm, u32 id)
{
	struct slots *slots =
		rcu_dereference_protected(vm->host.slots, lockdep_is_held(&vm->slots_lock));
	struct slot *slot;

	if (id >= SLOTS_USER)
		return ERR_PTR(-EINVAL);
	slot = slots_by_id(slots, id);
	if (!slot || !slot_is_logged(slot))
		return ERR_PTR(-ENOENT);
	return slot;
}

static void *words_alloc(u64 words)
{
	return kvmalloc_array(words, sizeof(u64), GFP_KERNEL_ACCOUNT);
}

/*
 * A bitmap that userspace is given, of which word @next is the next, to @user:
 * what has no page is zeroed without being looked at.
 */
struct told {
	u64 __user *user;
	u64 next;
};

/* clear_user() of some kernels is a loop over words, three times as long. */
static int zero_words(u64 __user *to, u64 n)
{
	if (!user_write_access_begin(to, n * sizeof(u64)))
		return -EFAULT;
	for (; n >= 8; n -= 8, to += 8) {
		unsafe_put_user(0, to, fault);
		unsafe_put_user(0, to + 1, fault);
		unsafe_put_user(0, to + 2, fault);
		unsafe_put_user(0, to + 3, fault);
		unsafe_put_user(0, to + 4, fault);
		unsafe_put_user(0, to + 5, fault);
		unsafe_put_user(0, to + 6, fault);
		unsafe_put_user(0, to + 7, fault);
	}
	for (; n; n--, to++)
		unsafe_put_user(0, to, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static int tell_none(struct told *told, u64 until)
{
	while (told->next < until) {
		u64 n = min_t(u64, until - told->next, ZEROES);

		if (zero_words(told->user, n))
			return -EFAULT;
		cond_resched();
		told->user += n;
		told->next += n;
	}
	return 0;
}

/* Words @run, of one block, from @words; with those of @more, if not NULL. */
static int tell_run(struct told *told, struct word_range run, const unsigned long *words,
		    const unsigned long *more)
{
	u64 i, n = run.end - run.first;
	unsigned long both[PAGESET_BLOCK_WORDS];

	if (tell_none(told, run.first))
		return -EFAULT;
	if (unlikely(more)) {
		for (i = 0; i < n; i++)
			both[i] = READ_ONCE(words[i]) | more[i];
		words = both;
	}
	if (copy_to_user(told->user, words, n * sizeof(u64)))
		return -EFAULT;
	told->user += n;
	told->next = run.end;
	return 0;
}

int harvest_tell(u64 __user *user, const struct pageset *set, const struct pageset *more,
		 struct word_range range)
{
	struct told told = { user, range.first };

	while (told.next < range.end) {
		struct word_range left = { told.next, range.end };
		struct word_range run = pageset_next(set, left), other = left;

		if (more) {
			other = pageset_next(more, left);
			if (other.first < run.first)
				run = other;
		}
		if (run.first == run.end)
			return tell_none(&told, range.end);
		if (tell_run(&told, run, &set->word[run.first],
			     more ? &more->word[run.first] : NULL))
			return -EFAULT;
	}
	return 0;
}

static int tell_taken(u64 __user *user, const struct dirty_taken *taken, struct word_range all)
{
	const struct pageset which = { .block = taken->block };
	const unsigned long *from = taken->word;
	struct told told = { user, 0 };
	struct word_range run;

	pageset_for_each(&which, run, all) {
		if (tell_run(&told, run, from, NULL))
			return -EFAULT;
		from += run.end - run.first;
	}
	return tell_none(&told, all.end);
}

/* Under manual protect: what is known is told, and stays. */
static long peek_locked(struct vm *vm, struct slot *slot, void __user *user)
{
	vm_drain_writes(vm);
	dirty_peek(&vm->mmu, slot);
	if (!slot->views && pageset_is_small(&slot->dirty)) {
		u64 bytes = slot->dirty.words * sizeof(u64);

		return copy_to_user(user, slot->dirty.word, bytes) ? -EFAULT : 0;
	}
	/* With what trackers took from the records before the ABI did. */
	return harvest_tell(user, &slot->dirty, slot->views ? &slot->views->abi : NULL,
			    pageset_all(&slot->dirty));
}

static long take_locked(struct vm *vm, struct slot *slot, void __user *user)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct dirty_taken taken;
	long err;

	vm_drain_writes(vm);
	err = dirty_get(&vm->mmu, slot, &taken, &batch);
	if (err)
		return err;
	tlb_discharge(vm, &batch);
	err = tell_taken(user, &taken, pageset_all(&slot->dirty));
	if (err)
		dirty_put_back(slot, &taken);
	dirty_taken_free(&taken);
	return err;
}

/* Beside trackers what is taken is owed to all, and told the ABI from that. */
static long take_beside_trackers(struct vm *vm, struct slot *slot, void __user *user)
{
	const struct word_range all = pageset_all(&slot->dirty);
	struct tlb_batch batch = TLB_BATCH_INIT;
	long err;

	vm_drain_writes(vm);
	dirty_share(&vm->mmu, slot, all, &batch);
	tlb_discharge(vm, &batch);
	err = harvest_tell(user, &slot->views->abi, NULL, all);
	if (!err)
		views_told_abi(slot->views);
	return err;
}

static long get_locked(struct vm *vm, const struct kvm_dirty_log *log)
{
	struct slot *slot = harvest_slot(vm, log->slot);

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (vm->manual_protect & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		return peek_locked(vm, slot, log->dirty_bitmap);
	if (unlikely(slot->views))
		return take_beside_trackers(vm, slot, log->dirty_bitmap);
	return take_locked(vm, slot, log->dirty_bitmap);
}

long harvest_get(struct vm *vm, const struct kvm_dirty_log *log)
{
	long err;

	mutex_lock(&vm->slots_lock);
	vm->stats.gets++;
	err = get_locked(vm, log);
	mutex_unlock(&vm->slots_lock);
	return err;
}

bool harvest_range_valid(const struct slot *slot, u64 first, u64 npages)
{
	u64 left;

	if (first % 64 || first > slot->npages)
		return false;
	left = slot->npages - first;
	return npages <= left && (npages == left || npages % 64 == 0);
}

unsigned long *harvest_copy_bitmap(const void __user *user, u64 npages)
{
	u64 n = DIV_ROUND_UP_ULL(npages, 64);
	unsigned long *words = words_alloc(n);

	if (!words)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(words, user, n * sizeof(u64))) {
		kvfree(words);
		return ERR_PTR(-EFAULT);
	}
	return words;
}

/*
 * How many of @npages pages a CLEAR gets through that may clear @max: whole
 * words of @mask, the first of which it always does.
 */
static u64 clear_bound(const unsigned long *mask, u64 npages, u64 max)
{
	u64 word, words = DIV_ROUND_UP_ULL(npages, 64), asked = 0;

	for (word = 0; word < words; word++) {
		asked += hweight64(mask[word]);
		if (word && asked > max)
			break;
	}
	return min(word * 64, npages);
}

/* The number of pages gone through, or -errno. */
static long clear_locked(struct vm *vm, const struct kvm_clear_dirty_log *log, u64 max)
{
	struct slot *slot = harvest_slot(vm, log->slot);
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned long *mask;
	u64 npages;

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (!harvest_range_valid(slot, log->first_page, log->num_pages))
		return -EINVAL;
	if (!log->num_pages)
		return 0;
	/* dirty_clear() ignores bits beyond the slot. */
	mask = harvest_copy_bitmap(log->dirty_bitmap, log->num_pages);
	if (IS_ERR(mask))
		return PTR_ERR(mask);

	vm_drain_writes(vm);
	npages = clear_bound(mask, log->num_pages, max);
	dirty_clear(&vm->mmu, slot, log->first_page, npages, mask, &batch);
	tlb_discharge(vm, &batch);
	kvfree(mask);
	return npages;
}

long harvest_clear(struct vm *vm, const struct kvm_clear_dirty_log *log, u64 max)
{
	long done;

	mutex_lock(&vm->slots_lock);
	vm->stats.clears++;
	done = clear_locked(vm, log, max);
	mutex_unlock(&vm->slots_lock);
	return done;
}

static_assert(sizeof(struct coarse_range) == sizeof(struct vellum_range) &&
	      offsetof(struct coarse_range, npages) == offsetof(struct vellum_range, num_pages));

static long take_ranges(struct vm *vm, struct slot *slot, struct vellum_ranges *asked,
			struct coarse_range *ranges)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct coarse_taken taken = {
		.to = ranges,
		.max = asked->max,
		.next = asked->first_page,
	};
	unsigned int i;

	vm_drain_writes(vm);
	coarse_take_ranges(&vm->mmu, slot, &taken, &batch);
	tlb_discharge(vm, &batch);
	asked->first_page = taken.next;
	asked->count = taken.n;
	if (!copy_to_user(u64_to_user_ptr(asked->ranges), ranges, taken.n * sizeof(*ranges)))
		return 0;
	for (i = 0; i < taken.n; i++)
		coarse_put_back(slot, &ranges[i]);
	return -EFAULT;
}

static long ranges_locked(struct vm *vm, struct vellum_ranges *asked, struct coarse_range *ranges)
{
	struct slot *slot = harvest_slot(vm, asked->slot);

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (!slot->coarse || asked->first_page > slot->npages)
		return -EINVAL;
	return take_ranges(vm, slot, asked, ranges);
}

long harvest_take_ranges(struct vm *vm, struct vellum_ranges *asked)
{
	struct coarse_range *ranges =
		kvmalloc_array(asked->max, sizeof(*ranges), GFP_KERNEL_ACCOUNT);
	long err;

	if (!ranges)
		return -ENOMEM;
	mutex_lock(&vm->slots_lock);
	vm->stats.gets++;
	err = ranges_locked(vm, asked, ranges);
	mutex_unlock(&vm->slots_lock);
	kvfree(ranges);
	return err;
}

/* What is given back makes room for the next event, or does not and is one itself. */
static u32 reset_ring(struct vcpu *vcpu, const struct slots *slots, u32 most,
		      struct tlb_batch *batch)
{
	u32 count = dirty_reset_some(&vcpu->vm->mmu, slots, &vcpu->ring, most, batch);

	if (count && vcpu->ring.watermark) {
		ring_arm_event(&vcpu->ring);
		vcpu_tell_ring(vcpu);
	}
	return count;
}

/*
 * Gives back only what userspace has taken from the rings already, so there is
 * nothing to drain first; the discharge drains before the pages may be read.
 */
long harvest_reset_rings(struct vm *vm, u32 most)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct slots *slots;
	unsigned int i, n;
	u32 count = 0;

	if (!READ_ONCE(vm->ring_entries))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	slots = rcu_dereference_protected(vm->host.slots, lockdep_is_held(&vm->slots_lock));
	/* Pairs with the release in vcpu_ioctl_create(). */
	n = smp_load_acquire(&vm->nr_vcpus);
	for (i = 0; i < n && count < most; i++) {
		count += reset_ring(vm->vcpus[(vm->reset_from + i) % n], slots, most - count,
				    &batch);
		cond_resched();
	}
	/* Broken off: the one after it has its turn first, and so has each. */
	vm->reset_from = count < most ? 0 : (vm->reset_from + i) % n;
	/* Whether or not an SPTE changed: a page may have been armed by another harvest. */
	if (count)
		batch.flush = true;
	tlb_discharge(vm, &batch);
	vm->stats.resets++;
	vm->stats.reset_entries += count;
	trace_vellum_reset(n, count);
	mutex_unlock(&vm->slots_lock);
	return count;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Userspace takes what was written: the bitmap's two ioctls and the rings'.
 *
 * The order is the same everywhere: drain, take and re-arm, discharge (flush,
 * acknowledged by every vCPU), and only then tell userspace (invariant 2).
 * What could not be told is put back.
 */
#include <linux/uaccess.h>

#include "uapi/uapi.h"
#include "vmx/trace.h"

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

/* The records, and what trackers took from them before the ABI did. */
static long show_with_views(const struct slot *slot, void __user *user)
{
	u64 n = slot_bitmap_words(slot);
	unsigned long *words = words_alloc(n);
	long err = 0;

	if (!words)
		return -ENOMEM;
	memcpy(words, slot->dirty, n * sizeof(u64));
	views_show_abi(slot, words);
	if (copy_to_user(user, words, n * sizeof(u64)))
		err = -EFAULT;
	kvfree(words);
	return err;
}

/* Under manual protect: what is known is told, and stays. */
static long peek_locked(struct vm *vm, struct slot *slot, void __user *user)
{
	vm_drain_writes(vm);
	dirty_peek(&vm->mmu, slot);
	if (unlikely(slot->views))
		return show_with_views(slot, user);
	if (copy_to_user(user, slot->dirty, slot_bitmap_words(slot) * sizeof(u64)))
		return -EFAULT;
	return 0;
}

static long take_locked(struct vm *vm, struct slot *slot, void __user *user)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	u64 n = slot_bitmap_words(slot);
	unsigned long *words = words_alloc(n);
	long err = 0;

	if (!words)
		return -ENOMEM;
	vm_drain_writes(vm);
	dirty_get(&vm->mmu, slot, words, &batch);
	tlb_discharge(vm, &batch);
	if (copy_to_user(user, words, n * sizeof(u64))) {
		dirty_put_back(slot, words);
		err = -EFAULT;
	}
	kvfree(words);
	return err;
}

static long get_locked(struct vm *vm, const struct kvm_dirty_log *log)
{
	struct slot *slot = harvest_slot(vm, log->slot);

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (vm->manual_protect & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		return peek_locked(vm, slot, log->dirty_bitmap);
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

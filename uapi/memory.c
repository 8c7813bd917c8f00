// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_SET_USER_MEMORY_REGION: one change of the slots, from its first check to
 * the last translation that must be gone.
 *
 * Everything that can fail is allocated first, so a change either happens
 * whole or leaves nothing behind.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"

/* How many pages are zapped under one hold of the MMU's lock. */
#define ZAP_BATCH 4096
/* The fewest pages that KVM_SET_NR_MMU_PAGES takes, as KVM has it. */
#define SHADOW_PAGES_MIN 64

struct change {
	enum slot_change kind;
	struct slot *old;      /* NULL when a slot is created */
	struct slot *new;      /* NULL when one is deleted */
	bool coarse;	       /* @new's */
	struct slots *between; /* delete, move: as before, but @old is dying */
	struct slots *after;
};

static bool change_retires(const struct change *change)
{
	return change->kind == SLOT_DELETE || change->kind == SLOT_MOVE;
}

static bool is_logged(const struct slot *slot)
{
	return slot && slot_is_logged(slot);
}

/* A new slot's bitmap: the old one's, with what it knows, or one of its own. */
static int change_attach_bitmap(struct vm *vm, struct change *change)
{
	bool set = vm->manual_protect & KVM_DIRTY_LOG_INITIALLY_SET;
	struct slot *new = change->new;

	if (!(new->flags &KVM_MEM_LOG_DIRTY_PAGES))
		return 0;
	if (is_logged(change->old)) {
		slot_share_log(new, change->old);
		return 0;
	}
	return pageset_init(&new->dirty, new->npages, set) ?: trackers_see(vm, new);
}

static void change_abandon(struct change *change)
{
	kvfree(change->between);
	kvfree(change->after);
	if (!change->new)
		return;
	if (is_logged(change->old))
		slot_leave_log(change->new); /* it is still the old slot's */
	slot_free(change->new);
}

static int change_prepare(struct vm *vm, const struct slots *slots, struct change *change,
			  const struct kvm_userspace_memory_region *region)
{
	const struct slots *base = slots;

	if (change->kind != SLOT_DELETE) {
		change->new = slot_alloc(region);
		if (!change->new)
			return -ENOMEM;
		change->new->coarse = change->coarse;
		if (change_attach_bitmap(vm, change))
			return -ENOMEM;
	}
	if (change_retires(change)) {
		change->between = slots_change(slots, NULL, NULL);
		if (!change->between)
			return -ENOMEM;
		base = change->between;
	}
	change->after = slots_change(base, change->old, change->new);
	return change->after ? 0 : -ENOMEM;
}

static void publish(struct vm *vm, struct slots *slots)
{
	kvfree(host_publish(&vm->host, slots));
}

/* PML is armed before anything is mapped for it to log, and disarmed after the last. */
static void logging_begin(struct vm *vm)
{
	if (atomic_inc_return(&vm->nr_logging) == 1)
		vm_update_pml(vm);
}

static void logging_end(struct vm *vm)
{
	if (atomic_dec_and_test(&vm->nr_logging))
		vm_update_pml(vm);
}

static void slot_zap(struct vm *vm, struct slot *slot)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	gfn_t gfn = slot->base, end = slot->base + slot->npages;

	while (gfn < end) {
		gfn_t next = min(gfn + ZAP_BATCH, end);

		write_lock(&vm->mmu.lock);
		ept_zap(&vm->mmu, slot, gfn, next, &batch);
		write_unlock(&vm->mmu.lock);
		gfn = next;
		cond_resched();
	}
	/* A notifier may have zapped the same leaves, and its flush may be still to come. */
	batch.flush = true;
	tlb_discharge(vm, &batch);
}

/*
 * No translation of @slot is left.  Writes that were still under way have
 * reached its bitmap: the slot stays in the array until they have.
 */
static void slot_retire(struct vm *vm, struct slot *slot, struct slots *between)
{
	WRITE_ONCE(slot->dying, true);
	publish(vm, between); /* waits for the faults that did not see it dying */
	vm_drain_writes(vm);
	slot_zap(vm, slot);
}

/*
 * Every page's next write is seen.  With KVM_DIRTY_LOG_INITIALLY_SET all pages
 * are dirty to begin with and are armed as they are cleared; a ring knows
 * nothing of that and needs them armed now.  The flush is due in either case
 * (invariant 4).
 */
static void logging_arm(struct vm *vm, struct slot *slot)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	if (vm->ring_entries || !(vm->manual_protect & KVM_DIRTY_LOG_INITIALLY_SET))
		dirty_start(&vm->mmu, slot, &batch);
	batch.flush = true;
	tlb_discharge(vm, &batch);
}

static void change_commit(struct vm *vm, struct change *change)
{
	bool was_logged = is_logged(change->old), logged = is_logged(change->new);

	if (logged && !was_logged)
		logging_begin(vm);
	if (change_retires(change))
		slot_retire(vm, change->old, change->between);
	if (was_logged && !logged && change->new)
		change->new->uncollapsed = change->new->npages;
	publish(vm, change->after);
	if (change->kind == SLOT_FLAGS && logged && !was_logged)
		logging_arm(vm, change->new);
	if (was_logged && !logged) {
		logging_end(vm);
		host_collapse_start(&vm->host);
	}

	if (!change->old)
		return;
	if (was_logged && logged)
		slot_leave_log(change->old); /* the new slot has it */
	slot_free(change->old);
}

static long change_slots(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct slots *slots =
		rcu_dereference_protected(vm->host.slots, lockdep_is_held(&vm->slots_lock));
	struct change change = {};
	int kind = slots_classify(slots, region, vmx_max_gfn());
	int err;

	if (kind < 0 || kind == SLOT_NOTHING)
		return kind < 0 ? kind : 0;
	change.kind = kind;
	if (kind != SLOT_CREATE) {
		change.old = slots_by_id(slots, region->slot);
		change.coarse = change.old->coarse;
	}

	err = change_prepare(vm, slots, &change, region);
	if (err)
		change_abandon(&change);
	else
		change_commit(vm, &change);
	return err;
}

long memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	long err;

	/* Bits 31:16 are an address space, of which there is one. */
	if (region->slot >= SLOTS_USER)
		return -EINVAL;
	if (!access_ok((void __user *)region->userspace_addr, region->memory_size))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	err = change_slots(vm, region);
	mutex_unlock(&vm->slots_lock);
	return err;
}

static_assert(SLOT_RANGE_PAGES << PAGE_SHIFT == BIT_ULL(VELLUM_TRACK_2M));

static long set_coarse(struct vm *vm, struct slots *slots, struct slot *old, bool coarse)
{
	const struct kvm_userspace_memory_region region = {
		.slot = old->id,
		.flags = old->flags,
		.guest_phys_addr = old->base << PAGE_SHIFT,
		.memory_size = old->npages << PAGE_SHIFT,
		.userspace_addr = old->hva,
	};
	struct change change = { .kind = SLOT_FLAGS, .old = old, .coarse = coarse };
	int err = change_prepare(vm, slots, &change, &region);

	if (err) {
		change_abandon(&change);
		return err;
	}
	/*
	 * Leaves of 1G go.  Who made them has found the old slot, and is waited for; a
	 * notifier that finds none of them flushes, until this has.
	 */
	change.new->dying = coarse && vm->mmu.caps.level > 2;
	change_commit(vm, &change);
	if (change.new->dying)
		slot_zap(vm, change.new);
	WRITE_ONCE(change.new->dying, false);
	return 0;
}

/* slots_lock held. */
static long set_tracking(struct vm *vm, const struct vellum_tracking *asked)
{
	struct slots *slots =
		rcu_dereference_protected(vm->host.slots, lockdep_is_held(&vm->slots_lock));
	struct slot *old = slots_by_id(slots, asked->slot);
	bool coarse = asked->page_shift == VELLUM_TRACK_2M;

	if (!old)
		return -ENOENT;
	if (coarse && !slot_may_be_coarse(old->base))
		return -EINVAL;
	if (old->coarse == coarse)
		return 0;
	return slot_is_logged(old) ? -EBUSY : set_coarse(vm, slots, old, coarse);
}

long memory_set_tracking(struct vm *vm, const struct vellum_tracking *asked)
{
	long err;

	if (asked->slot >= SLOTS_USER ||
	    (asked->page_shift != VELLUM_TRACK_4K && asked->page_shift != VELLUM_TRACK_2M) ||
	    memchr_inv(asked->reserved, 0, sizeof(asked->reserved)))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	err = set_tracking(vm, asked);
	mutex_unlock(&vm->slots_lock);
	return err;
}

/* 1024 pages of 4 MiB, each at its own address: present, writable, user, accessed, dirty. */
static int write_identity_map(u32 __user *table)
{
	u32 i;

	for (i = 0; i < PAGE_SIZE / sizeof(*table); i++)
		if (put_user(i << 22 | 0xe7, table + i))
			return -EFAULT;
	return 0;
}

long memory_make_identity_map(struct vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT_IDENTITY_MAP,
		.guest_phys_addr = vm->identity_map,
		.memory_size = PAGE_SIZE,
	};
	unsigned long at;
	long err;

	if (vm->identity_hva)
		return 0;
	at = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(at))
		return at;
	region.userspace_addr = at;
	err = write_identity_map((u32 __user *)at);
	if (!err) {
		mutex_lock(&vm->slots_lock);
		err = change_slots(vm, &region);
		mutex_unlock(&vm->slots_lock);
	}
	if (err)
		vm_munmap(at, PAGE_SIZE);
	else
		vm->identity_hva = at;
	return err;
}

/*
 * Tables that shadow the guest's own.  Those that map its memory are not among
 * them, and others there are none: any limit is kept.
 */
long memory_limit_shadow(struct vm *vm, unsigned long pages)
{
	if (pages < SHADOW_PAGES_MIN || pages > INT_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->max_shadow_pages, pages);
	return 0;
}

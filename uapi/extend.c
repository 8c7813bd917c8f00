// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of uapi/vellum.h: what KVM's ABI does not have.
 */
#include <linux/eventfd.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"

long extension_value(unsigned long extension)
{
	switch (extension) {
	case VELLUM_EXT_DRAIN:
	case VELLUM_EXT_MARK:
	case VELLUM_EXT_RING_EVENT:
	case VELLUM_EXT_BOUNDED:
	case VELLUM_EXT_TRACKING:
		return 1;
	case VELLUM_EXT_TRACKERS:
		return TRACKERS_MAX;
	default:
		return 0;
	}
}

/*
 * A vCPU that is outside the guest has an empty log, so those that are in it
 * are made to leave it for a moment; each empties its own.
 */
static long drain(struct vm *vm, unsigned long arg)
{
	if (arg)
		return -EINVAL;
	vm_drain_writes(vm);
	return 0;
}

/* A range of any pages of the slot. */
static bool mark_range_valid(const struct slot *slot, const struct vellum_pages *pages)
{
	return pages->first_page <= slot->npages &&
	       pages->num_pages <= slot->npages - pages->first_page;
}

/* slots_lock held. */
static long mark_locked(struct vm *vm, struct ring *ring, struct vellum_pages *pages)
{
	struct slot *slot = harvest_slot(vm, pages->slot);
	unsigned long *mask = NULL;

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (!mark_range_valid(slot, pages))
		return -EINVAL;
	if (pages->bitmap && pages->num_pages) {
		mask = harvest_copy_bitmap(u64_to_user_ptr(pages->bitmap), pages->num_pages);
		if (IS_ERR(mask))
			return PTR_ERR(mask);
	}
	pages->count = dirty_mark(slot, pages->first_page, pages->num_pages, mask, ring);
	kvfree(mask);
	return 0;
}

/* @ring: of the vCPU whose mutex is held, or NULL. */
static long mark(struct vm *vm, struct ring *ring, struct vellum_pages __user *user)
{
	struct vellum_pages pages;
	long err;

	if (copy_from_user(&pages, user, sizeof(pages)))
		return -EFAULT;
	if (pages.flags || memchr_inv(pages.reserved, 0, sizeof(pages.reserved)))
		return -EINVAL;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	err = mark_locked(vm, ring, &pages);
	mutex_unlock(&vm->slots_lock);
	if (!err && put_user(pages.count, &user->count))
		err = -EFAULT;
	return err;
}

static long mark_by_vcpu(struct vcpu *vcpu, struct vellum_pages __user *user)
{
	long err = mark(vcpu->vm, vcpu->ring.entries ? &vcpu->ring : NULL, user);

	vcpu_tell_ring(vcpu);
	return err;
}

/* An event there, none at -1; or ERR_PTR. */
static struct eventfd_ctx *event_of(const struct vellum_ring_event *asked, const struct ring *ring)
{
	if (asked->flags || memchr_inv(asked->reserved, 0, sizeof(asked->reserved)))
		return ERR_PTR(-EINVAL);
	if (asked->fd == -1)
		return asked->watermark ? ERR_PTR(-EINVAL) : NULL;
	if (!asked->watermark || asked->watermark > ring->size - RING_RESERVE)
		return ERR_PTR(-EINVAL);
	return eventfd_ctx_fdget(asked->fd);
}

/* vcpu->mutex held: its thread is here. */
static long set_ring_event(struct vcpu *vcpu, const void __user *user)
{
	struct vellum_ring_event asked;
	struct eventfd_ctx *event;

	if (!vcpu->ring.entries)
		return -EINVAL;
	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	event = event_of(&asked, &vcpu->ring);
	if (IS_ERR(event))
		return PTR_ERR(event);
	mutex_lock(&vcpu->vm->slots_lock);
	swap(vcpu->ring_event, event);
	vcpu->ring.watermark = asked.watermark;
	ring_arm_event(&vcpu->ring);
	vcpu_tell_ring(vcpu);
	mutex_unlock(&vcpu->vm->slots_lock);
	if (event)
		eventfd_ctx_put(event);
	return 0;
}

long extend_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, void __user *user)
{
	switch (cmd) {
	case VELLUM_MARK:
		return mark_by_vcpu(vcpu, user);
	case VELLUM_RING_EVENT:
		return set_ring_event(vcpu, user);
	default:
		return -EINVAL;
	}
}

static long clear_some(struct vm *vm, struct vellum_clear __user *user)
{
	struct vellum_clear asked;
	struct kvm_clear_dirty_log log;
	long done;

	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	if (asked.flags || asked.max < 64 || asked.num_pages > SLOT_MAX_PAGES ||
	    memchr_inv(asked.reserved, 0, sizeof(asked.reserved)))
		return -EINVAL;
	log = (struct kvm_clear_dirty_log){
		.slot = asked.slot,
		.first_page = asked.first_page,
		.num_pages = asked.num_pages,
		.dirty_bitmap = u64_to_user_ptr(asked.bitmap),
	};
	done = harvest_clear(vm, &log, asked.max);
	if (done < 0)
		return done;
	return put_user((u64)done, &user->count);
}

static long reset_some(struct vm *vm, struct vellum_reset __user *user)
{
	struct vellum_reset asked;
	long done;

	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	if (asked.flags || !asked.max || asked.max > S32_MAX ||
	    memchr_inv(asked.reserved, 0, sizeof(asked.reserved)))
		return -EINVAL;
	done = harvest_reset_rings(vm, asked.max);
	if (done < 0)
		return done;
	return put_user((u32)done, &user->count);
}

static long set_tracking(struct vm *vm, const void __user *user)
{
	struct vellum_tracking asked;

	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	return memory_set_tracking(vm, &asked);
}

static long take_ranges(struct vm *vm, void __user *user)
{
	struct vellum_ranges asked;
	long err;

	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	if (asked.flags || !asked.max || asked.max > VELLUM_RANGES_MAX ||
	    memchr_inv(asked.reserved, 0, sizeof(asked.reserved)))
		return -EINVAL;
	err = harvest_take_ranges(vm, &asked);
	if (err)
		return err;
	/* Who cannot be told where to go on has the ranges, up to @count. */
	return copy_to_user(user, &asked, sizeof(asked)) ? -EFAULT : 0;
}

long extend_vm_ioctl(struct vm *vm, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case VELLUM_CHECK_EXTENSION:
		return extension_value(arg);
	case VELLUM_DRAIN:
		return drain(vm, arg);
	case VELLUM_OPEN_TRACKER:
		return tracker_open(vm, (void __user *)arg);
	case VELLUM_MARK:
		return mark(vm, NULL, (void __user *)arg);
	case VELLUM_CLEAR:
		return clear_some(vm, (void __user *)arg);
	case VELLUM_RESET_RINGS:
		return reset_some(vm, (void __user *)arg);
	case VELLUM_SET_TRACKING:
		return set_tracking(vm, (void __user *)arg);
	case VELLUM_TAKE_RANGES:
		return take_ranges(vm, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Trackers' descriptors: VELLUM_OPEN_TRACKER and the ioctls of what it gives.
 * What a tracker is owed is mmu/tracker.c's.
 *
 * A descriptor may be handed to another process: nothing here touches the
 * owner's memory.  Everything happens under the VM's slots_lock.
 */
#include <linux/compat.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"

struct tracker {
	struct vm *vm; /* the descriptor's reference */
	u32 id;
	bool open; /* else its making was broken off */
};

static struct slots *vm_slots(struct vm *vm)
{
	return rcu_dereference_protected(vm->host.slots, lockdep_is_held(&vm->slots_lock));
}

/*
 * What it could not see so far counts as written for every tracker there is:
 * the slot was not logged, or not there.
 */
int trackers_see(struct vm *vm, struct slot *slot)
{
	unsigned int id;
	int err = 0;

	for (id = 0; id < TRACKERS_MAX && !err; id++)
		if (vm->trackers.known & BIT(id))
			err = view_add(slot, id, true);
	return err; /* the views that it has go with the slot */
}

static void forget(struct vm *vm, u32 id)
{
	struct slots *slots = vm_slots(vm);
	unsigned int i;

	vm->trackers.known &= ~BIT(id);
	for (i = 0; i < slots->nr; i++)
		view_remove(slots->slot[i], id);
}

/* What is recorded of @range is taken: every view is owed it now. */
static void share(struct vm *vm, struct slot *slot, struct word_range range)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	vm_drain_writes(vm);
	dirty_share(&vm->mmu, slot, range, &batch);
	tlb_discharge(vm, &batch);
}

/* Tracker @id's view of @slot, which is logged, begins now: what was before is not its. */
static void begin(struct vm *vm, struct slot *slot, u32 id)
{
	const struct word_range all = pageset_all(&slot->dirty);

	share(vm, slot, all);
	view_take(slot, id, all);
	view_settle(slot, id, all, NULL, false);
}

/* Tracker @id begins: 0 or -ENOMEM, and then there is nothing of it. */
static int make(struct vm *vm, u32 id)
{
	struct slots *slots = vm_slots(vm);
	unsigned int i;
	int err = 0;

	for (i = 0; i < slots->nr && !err; i++)
		if (slot_is_logged(slots->slot[i]))
			err = view_add(slots->slot[i], id, false);
	if (err) {
		forget(vm, id);
		return err;
	}
	vm->trackers.known |= BIT(id);
	for (i = 0; i < slots->nr; i++)
		if (slot_is_logged(slots->slot[i]))
			begin(vm, slots->slot[i], id);
	return 0;
}

/* Settles everything that tracker @id holds: it is owed it again. */
static void give_all_back(struct vm *vm, u32 id)
{
	struct slots *slots = vm_slots(vm);
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		struct slot *slot = slots->slot[i];
		const struct word_range all = { 0, slot_bitmap_words(slot) };

		if (slot_is_logged(slot))
			view_settle(slot, id, all, NULL, true);
	}
}

static void close_tracker(struct vm *vm, u32 id)
{
	mutex_lock(&vm->slots_lock);
	if (vm->trackers.kept & BIT(id))
		give_all_back(vm, id);
	else
		forget(vm, id);
	vm->trackers.open &= ~BIT(id);
	mutex_unlock(&vm->slots_lock);
}

static int tracker_release(struct inode *inode, struct file *file)
{
	struct tracker *tracker = file->private_data;
	struct vm *vm = tracker->vm;

	if (tracker->open)
		close_tracker(vm, tracker->id);
	kfree(tracker);
	vm_put(vm);
	return 0;
}

/* What a caller may not ask for; its range is looked at when the slot is known. */
static bool pages_sane(unsigned int cmd, const struct vellum_pages *pages)
{
	u32 flags = cmd == VELLUM_TAKE ? VELLUM_TAKE_COMMIT : 0;

	return !(pages->flags & ~flags) && !memchr_inv(pages->reserved, 0, sizeof(pages->reserved));
}

static struct word_range words_of(const struct vellum_pages *pages)
{
	u64 first = pages->first_page / 64;

	return (struct word_range){ first, first + DIV_ROUND_UP_ULL(pages->num_pages, 64) };
}

static long take(struct tracker *tracker, struct slot *slot, struct vellum_pages *pages)
{
	const struct word_range range = words_of(pages);
	const struct pageset *held = &slot->views->of[tracker->id].held;
	bool failed;

	if (view_holds(slot, tracker->id, range))
		return -EBUSY;
	share(tracker->vm, slot, range);
	pages->count = view_take(slot, tracker->id, range);
	/* All that is held of the range was taken now. */
	failed = harvest_tell(u64_to_user_ptr(pages->bitmap), held, NULL, range);
	if (failed || pages->flags & VELLUM_TAKE_COMMIT)
		view_settle(slot, tracker->id, range, NULL, failed);
	return failed ? -EFAULT : 0;
}

static long settle(struct tracker *tracker, struct slot *slot, struct vellum_pages *pages,
		   bool owed)
{
	unsigned long *mask = NULL;

	if (pages->bitmap) {
		mask = harvest_copy_bitmap(u64_to_user_ptr(pages->bitmap), pages->num_pages);
		if (IS_ERR(mask))
			return PTR_ERR(mask);
	}
	pages->count = view_settle(slot, tracker->id, words_of(pages), mask, owed);
	kvfree(mask);
	return 0;
}

static long ioctl_locked(struct tracker *tracker, unsigned int cmd, struct vellum_pages *pages)
{
	struct slot *slot = harvest_slot(tracker->vm, pages->slot);

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (!harvest_range_valid(slot, pages->first_page, pages->num_pages))
		return -EINVAL;
	pages->count = 0;
	if (!pages->num_pages)
		return 0;
	if (cmd == VELLUM_TAKE)
		return take(tracker, slot, pages);
	return settle(tracker, slot, pages, cmd == VELLUM_GIVE_BACK);
}

static long tracker_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vellum_pages __user *user = (void __user *)arg;
	struct tracker *tracker = file->private_data;
	struct vellum_pages pages;
	long err;

	if (cmd != VELLUM_TAKE && cmd != VELLUM_COMMIT && cmd != VELLUM_GIVE_BACK)
		return -ENOTTY;
	if (READ_ONCE(tracker->vm->dead))
		return -EIO;
	if (copy_from_user(&pages, user, sizeof(pages)))
		return -EFAULT;
	if (!pages_sane(cmd, &pages))
		return -EINVAL;
	if (mutex_lock_killable(&tracker->vm->slots_lock))
		return -EINTR;
	err = ioctl_locked(tracker, cmd, &pages);
	mutex_unlock(&tracker->vm->slots_lock);
	/* Who cannot be told the number has the bitmap, and what is held is held. */
	if (!err && put_user(pages.count, &user->count))
		err = -EFAULT;
	return err;
}

static const struct file_operations tracker_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = tracker_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = tracker_release,
	.llseek = noop_llseek,
};

/* May tracker @id be opened, and is it there already? 0, 1 or -errno. */
static int may_open(const struct vm *vm, const struct vellum_tracker *asked)
{
	u32 bit = BIT(asked->id);

	if (vm->trackers.open & bit)
		return -EBUSY;
	if (!(vm->trackers.known & bit))
		return 0;
	return asked->flags & VELLUM_TRACKER_NEW ? -EEXIST : 1;
}

static int open_locked(struct tracker *tracker, const struct vellum_tracker *asked,
		       struct vellum_tracker __user *user)
{
	struct vm_trackers *trackers = &tracker->vm->trackers;
	int there = may_open(tracker->vm, asked);
	u32 bit = BIT(asked->id);
	int err;

	if (there < 0)
		return there;
	if (put_user(asked->flags | (there ? VELLUM_TRACKER_RESUMED : 0), &user->flags))
		return -EFAULT;
	err = there ? 0 : make(tracker->vm, asked->id);
	if (err)
		return err;
	trackers->open |= bit;
	trackers->kept &= ~bit;
	if (asked->flags & VELLUM_TRACKER_KEEP)
		trackers->kept |= bit;
	tracker->open = true;
	return 0;
}

static bool asked_sane(const struct vellum_tracker *asked)
{
	return asked->id < TRACKERS_MAX &&
	       !(asked->flags & ~(VELLUM_TRACKER_KEEP | VELLUM_TRACKER_NEW)) &&
	       !memchr_inv(asked->reserved, 0, sizeof(asked->reserved));
}

long tracker_open(struct vm *vm, struct vellum_tracker __user *user)
{
	struct vellum_tracker asked;
	struct tracker *tracker;
	struct vm_fd vmfd;
	int err;

	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	if (!asked_sane(&asked))
		return -EINVAL;
	tracker = kzalloc(sizeof(*tracker), GFP_KERNEL_ACCOUNT);
	if (!tracker)
		return -ENOMEM;
	tracker->vm = vm;
	tracker->id = asked.id;
	err = vm_fd_get(&vmfd, vm, "vellum-tracker", &tracker_fops, tracker);
	if (err) {
		kfree(tracker);
		return err;
	}
	mutex_lock(&vm->slots_lock);
	err = open_locked(tracker, &asked, user);
	mutex_unlock(&vm->slots_lock);
	if (err) {
		put_unused_fd(vmfd.fd);
		fput(vmfd.file);
		return err;
	}
	fd_install(vmfd.fd, vmfd.file);
	return vmfd.fd;
}

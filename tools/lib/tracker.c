// SPDX-License-Identifier: GPL-2.0
/* Trackers of vellum's own: see tracker.h. */
#include "tracker.h"

int vellum_extension(int fd, unsigned long extension)
{
	int value = kvm_ioctl(fd, VELLUM_CHECK_EXTENSION, (void *)extension);

	return value < 0 ? 0 : value; /* another module's device */
}

int tracker_open(struct vm *vm, uint32_t id, uint32_t *flags)
{
	struct vellum_tracker tracker = { .id = id, .flags = *flags };
	int fd = kvm_ioctl(vm->fd, VELLUM_OPEN_TRACKER, &tracker);

	if (fd >= 0)
		*flags = tracker.flags;
	return fd;
}

static int64_t about(int fd, unsigned long request, const struct mem *mem, const void *bitmap,
		     uint32_t flags)
{
	struct vellum_pages pages = {
		.slot = mem->id,
		.flags = flags,
		.num_pages = mem->size / PAGE_SIZE,
		.bitmap = (uintptr_t)bitmap,
	};
	int ret = kvm_ioctl(fd, request, &pages);

	return ret < 0 ? ret : (int64_t)pages.count;
}

int64_t tracker_take(int fd, const struct mem *mem, void *bitmap, uint32_t flags)
{
	return about(fd, VELLUM_TAKE, mem, bitmap, flags);
}

int64_t tracker_commit(int fd, const struct mem *mem, const void *bitmap)
{
	return about(fd, VELLUM_COMMIT, mem, bitmap, 0);
}

int64_t tracker_give_back(int fd, const struct mem *mem, const void *bitmap)
{
	return about(fd, VELLUM_GIVE_BACK, mem, bitmap, 0);
}

int64_t mark_pages(int fd, const struct mem *mem, uint64_t first, uint64_t num, const void *bitmap)
{
	struct vellum_pages pages = {
		.slot = mem->id,
		.first_page = first,
		.num_pages = num,
		.bitmap = (uintptr_t)bitmap,
	};
	int ret = kvm_ioctl(fd, VELLUM_MARK, &pages);

	return ret < 0 ? ret : (int64_t)pages.count;
}
